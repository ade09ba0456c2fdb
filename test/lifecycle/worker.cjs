// A worker thread of worker-storm.ts. It loads the addon itself and sends it requests that the main thread has recorded.
const { parentPort, workerData } = require('node:worker_threads');

const { addon, requests, role } = workerData;
const native = require(addon);

/** Tokens that are held are held by each thread for itself. */
function start({ function: name, request, heldTokens }) {
  if (heldTokens === undefined) return native[name](structuredClone(request)).promise;
  const held = native.holdTokens({ tokens: heldTokens });
  try {
    return native[name]({ ...request, examples: { ...request.examples, held } }).promise;
  } finally {
    native.dropTokens({ held });
  }
}

async function forever(request) {
  for (;;) await start(request);
}

switch (role) {
  // Answers every request, all at once, and ends by itself.
  case 'answer':
    Promise.all(requests.map(start)).then((answers) => parentPort.postMessage(answers));
    break;
  // Works until it is terminated.
  case 'work':
    for (const request of requests) forever(request);
    break;
  // Leaves with its promises unsettled.
  case 'exit':
    for (const request of requests) forever(request);
    setTimeout(() => process.exit(7), workerData.milliseconds);
    break;
  // Waits for nothing: it ends when its work has.
  case 'forget':
    for (const request of requests) start(request);
    break;
  // Fails while it works.
  case 'throw':
    for (const request of requests) forever(request);
    setTimeout(() => {
      throw new Error('thrown in a worker');
    }, workerData.milliseconds);
    break;
  // Runs out of its heap while it works.
  case 'fill': {
    for (const request of requests) forever(request);
    const kept = [];
    setInterval(() => kept.push(Array.from({ length: 100_000 }, Math.random)), 1);
    break;
  }
}
