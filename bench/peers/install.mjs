// node bench/peers/install.mjs [name…]   installs the frameworks that `npm run bench` compares with; see bench/README.md.
import { createJiti } from "jiti";

const { installPeers } = await createJiti(import.meta.url).import("../install.ts");
const complete = await installPeers(process.argv.slice(2), (text) => process.stderr.write(`${text}\n`));
process.exitCode = complete ? 0 : 1;
