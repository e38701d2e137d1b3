// Preloaded into a worker: from SIGUSR2 on it takes more and more memory, until the engine gives up (heap out of memory).
const hoard = [];

function eat() {
  for (let i = 0; i < 100; i++) hoard.push(new Array(10_000).fill(hoard.length + i));
  setImmediate(eat);
}

process.on("SIGUSR2", eat);
