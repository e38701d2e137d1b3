// `npm run build`: compiles src/ to dist/, types checked.
import { build } from "./lib/build.mjs";

try {
  await build();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
