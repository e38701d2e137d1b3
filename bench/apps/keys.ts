/** 120,000 keys of the bench's logins: 20,000 users in each of six hours. */
export const keyOf = ({ time, data }: { readonly time: Date; readonly data: { readonly userId: string } }): string =>
  `${data.userId}/${time.getUTCHours()}`;

/** A key for each login of a run of a million: no two have one time. */
export const uniqueKeyOf = ({ time, data }: { readonly time: Date; readonly data: { readonly userId: string } }): string =>
  `${data.userId}/${time.getTime()}`;
