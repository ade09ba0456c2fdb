// Run by a test in a process of its own: loads the addon in worker threads, terminates some in the middle of their work,
// and lets the last one finish.
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const native = require('bindings')('prompt_attention');

function start(trials) {
  return native.simulateKnownPrompt({
    mixture: {
      tokens: 8,
      relevantTokens: 2,
      dimension: 400,
      contextNorm: 1,
      signalNorm: 1,
      correlation: 0,
      noiseLevel: 1,
      noise: 'gaussian',
      positiveRate: 0.5,
      confusion: Float64Array.of(0, 0, 1),
      randomRelevance: false,
    },
    examples: 2000,
    inverseTemperature: 0.5,
    head: { kind: 'least-squares', ridge: 0 },
    solver: 'direct',
    method: 'projected',
    seed: 1n,
    cellKey: new Uint32Array(4),
    firstTrial: 0,
    trials,
    testDraws: 100,
    threads: 2,
    memory: 1e9,
  }).promise;
}

const message = (worker) => new Promise((resolve) => worker.once('message', resolve));

async function main() {
  for (let round = 0; round < 5; ++round) {
    const worker = new Worker(__filename, { workerData: 1e6 });
    await message(worker);
    await new Promise((resolve) => setTimeout(resolve, 20 * round));
    await worker.terminate();
  }
  const last = new Worker(__filename, { workerData: 3 });
  await message(last);
  console.log(await message(last));
  console.log((await start(4)).status.length);
}

if (isMainThread) {
  main();
} else {
  const work = start(workerData);
  parentPort.postMessage('started');
  work.then(({ status }) => parentPort.postMessage(status.length));
}
