// Uses the ring reader of examples/typescript as the tests ask.
//
//   ring lines URI NAMESPACE                 answers requests, one JSON object a line: {"encode":
//                                            PAYLOADS}, {"decode": PAYLOADS}, {"advance": SECONDS}
//   ring work URI ADDRESS QUEUE READY SPEED  works until it is killed; makes the file READY at
//                                            first; the ring's clock is SPEED times as fast
//   ring start URI ADDRESS QUEUE TEXT        starts a workflow and prints its result

import { readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { Payload } from '@temporalio/common';
import proto from '@temporalio/proto';
import { NativeConnection, Worker } from '@temporalio/worker';
import * as activities from './ring-activities.js';
import { RingCodec, fromSecretsManager } from './ring-codec.js';

const messages = proto.temporal.api.common.v1;

function open(uri: string, namespace: string, clock?: () => number): Promise<RingCodec> {
  const name = uri.replace(/^\w+:/, '');
  const fetch = uri.startsWith('file:') ? () => readFile(name, 'utf8') : fromSecretsManager(name);
  return RingCodec.with(fetch, namespace, clock);
}

async function lines([uri, namespace]: string[]): Promise<void> {
  let ahead = 0;
  const codec = await open(uri, namespace, () => Date.now() + ahead);
  for await (const line of createInterface({ input: process.stdin })) {
    const { encode, decode, advance = 0 } = JSON.parse(line);
    ahead += advance * 1_000;
    console.log(JSON.stringify(await answer(codec, encode, decode)));
  }
}

async function answer(codec: RingCodec, encode?: object, decode?: object): Promise<object> {
  const asked = encode ?? decode;
  if (asked === undefined) return {};
  try {
    const payloads = messages.Payloads.fromObject(asked).payloads as Payload[];
    const changed = await (encode ? codec.encode(payloads) : codec.decode(payloads));
    return messages.Payloads.toObject(messages.Payloads.fromObject({ payloads: changed }), {
      bytes: String,
      longs: String,
    });
  } catch (error) {
    const permanent = error instanceof ApplicationFailure && error.nonRetryable;
    return { fault: permanent ? 'permanent' : 'transient', message: String(error) };
  }
}

async function work([uri, address, taskQueue, ready, speed]: string[]): Promise<void> {
  const began = Date.now();
  const codec = await open(uri, 'default', () => began + Number(speed) * (Date.now() - began));
  const worker = await Worker.create({
    connection: await NativeConnection.connect({ address }),
    taskQueue,
    activities,
    workflowsPath: fileURLToPath(new URL('./ring-workflows.js', import.meta.url)),
    dataConverter: codec.dataConverter,
  });
  await writeFile(ready, '');
  await worker.run();
}

async function start([uri, address, taskQueue, text]: string[]): Promise<void> {
  const codec = await open(uri, 'default');
  const connection = await Connection.connect({ address });
  const client = new Client({ connection, dataConverter: codec.dataConverter });
  const options = { taskQueue, workflowId: taskQueue, args: [text] };
  process.stdout.write(await client.workflow.execute('Greet', options));
  await connection.close();
}

const [operation, ...rest] = process.argv.slice(2);
const operations: Record<string, (rest: string[]) => Promise<void>> = { lines, work, start };
await operations[operation](rest);
