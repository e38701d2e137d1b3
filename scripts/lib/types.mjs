import { capture } from "./tools.mjs";

/** Where that lies which the type checker must refuse. */
export const refusedFolder = "test/types/must-fail";

/**
 * What the compiler says of the whole program, tests and `refusedFolder` included: `{ path, line, text }` each; without a path where it
 * is about no file. It keeps what it has found by the content of the files (tsconfig.types.tsbuildinfo), so that who asks again,
 * with nothing changed, waits for a second.
 */
export async function typeErrors() {
  const { status, output } = await capture("tsc", ["-p", "tsconfig.types.json", "--pretty", "false"]);
  const errors = output.split(/\n(?=\S)/).flatMap((text) => {
    const [isError, path, line] = /^(?:(\S+)\((\d+),\d+\): )?error /.exec(text) ?? [];
    return isError === undefined ? [] : [{ path, line: Number(line), text }];
  });
  return status === 0 || errors.length > 0 ? errors : [{ text: output || `tsc ended with ${status}` }];
}

/** Those of what must compile. */
export const faultsIn = (errors) => errors.filter(({ path }) => !path?.startsWith(`${refusedFolder}/`));
