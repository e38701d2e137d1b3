import { DefaultFailureConverter } from "@temporalio/common";

/**
 * The same inside the workflow sandbox. A bundle is made before anyone knows whether there will be keys, and a sandbox has no
 * environment: the saga role writes this name in front of the bundle's code.
 */
const { headraceHidesFailures } = globalThis as { readonly headraceHidesFailures?: boolean };

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: headraceHidesFailures === true });
