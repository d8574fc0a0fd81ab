// A worker and a starter whose payloads are encrypted with a key ring.
//
//   node lib/greet.js work RING          works until it is interrupted
//   node lib/greet.js start RING NAME    starts a workflow and prints its result

import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import * as activities from './activities.js';
import { RingCodec } from './ring-codec.js';
import type { greet } from './workflows.js';

const taskQueue = 'greet-typescript';
const address = process.env.TEMPORAL_ADDRESS ?? 'localhost:7233';

async function work(codec: RingCodec): Promise<void> {
  const worker = await Worker.create({
    connection: await NativeConnection.connect({ address }),
    taskQueue,
    activities,
    workflowsPath: fileURLToPath(new URL('./workflows.js', import.meta.url)),
    dataConverter: codec.dataConverter,
  });
  await worker.run();
}

async function start(codec: RingCodec, name: string): Promise<void> {
  const connection = await Connection.connect({ address });
  const client = new Client({ connection, dataConverter: codec.dataConverter });
  const options = { taskQueue, workflowId: 'greet-typescript', args: [name] as [string] };
  console.log(await client.workflow.execute<typeof greet>('greet', options));
  await connection.close();
}

const [operation, ring, name] = process.argv.slice(2);
if (!ring || (operation !== 'work' && !name)) {
  console.error('usage: node lib/greet.js work RING | node lib/greet.js start RING NAME');
  process.exit(2);
}
const codec = await RingCodec.open(ring, 'default');
await (operation === 'work' ? work(codec) : start(codec, name));
