/** Whether a Date can hold the time, milliseconds since the epoch (ECMA-262, "Time Values and Time Range"). */
export const isDate = (time: number): boolean => Math.abs(time) <= 8.64e15;
