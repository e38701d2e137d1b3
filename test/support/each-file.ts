import { newFile } from "./services.ts";

// Files of the project `services` share a process one after the other: each gets databases of its own.
newFile();
