/**
 * Encrypts Temporal payloads with a key ring: AES-256-GCM in the format of Temporal's encryption
 * samples, with keys that rotate. Copy this file and `failure-converter.ts`, or import the package:
 *
 *     const codec = await RingCodec.open('secretsmanager:temporal-codec/{namespace}', 'orders');
 *     const client = new Client({ connection, namespace: 'orders', dataConverter: codec.dataConverter });
 */

import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { inflateSync } from 'node:zlib';
import { ApplicationFailure } from '@temporalio/common';
import type { DataConverter, Payload, PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';

const messages = proto.temporal.api.common.v1;

const FRESH = 300_000; // a ring is used this long before it is fetched again
const COOLDOWN = 30_000; // between a failed fetch, or one for an unknown id, and the next
const LAST_GOOD = 24 * 3_600_000; // a ring is used this long if it cannot be fetched again
const PATIENCE = 5_000; // a fetch may take this long

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const MAX_RING_BYTES = 65_536;
const MAX_INFLATED = 4_000_000;
const MAX_LAYERS = 4;

/** Gets the text of a key ring. */
export type Fetch = () => Promise<string>;

/** Encrypts every payload with the active key, and decrypts with the key that a payload names. */
export class RingCodec implements PayloadCodec {
  /** What to give to clients and workers: it encrypts messages and stack traces of failures, too. */
  readonly dataConverter: DataConverter = {
    payloadCodecs: [this],
    failureConverterPath: fileURLToPath(new URL('./failure-converter.js', import.meta.url)),
  };

  private constructor(
    private readonly source: Source,
    private readonly clock: () => number,
  ) {}

  /**
   * Fetches the ring and keeps it fresh. The URI is `secretsmanager:NAME` or `file:PATH`, where
   * `{namespace}` stands for the namespace.
   */
  static async open(uri: string, namespace: string): Promise<RingCodec> {
    const [, scheme, rest] = /^(file|secretsmanager):(.+)$/s.exec(uri) ?? [];
    if (scheme === undefined) {
      throw new Error("a key ring's URI must be secretsmanager:NAME or file:PATH");
    }
    const name = rest.replaceAll('{namespace}', placeName(namespace));
    const fetch = scheme === 'file' ? () => readFile(name, 'utf8') : fromSecretsManager(name);
    return RingCodec.with(fetch, namespace);
  }

  /** `open` with a source and a clock (milliseconds since 1970) of your own. */
  static async with(fetch: Fetch, namespace: string, clock = Date.now): Promise<RingCodec> {
    const source = new Source(fetch, namespace, clock);
    await source.current();
    // A process does not stay alive for this timer alone.
    setInterval(() => source.keepFresh(), 1_000).unref();
    return new RingCodec(source, clock);
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    const key = (await this.source.current()).sealing(this.clock());
    return payloads.map((payload) => key.seal(payload));
  }

  async decode(payloads: Payload[]): Promise<Payload[]> {
    return Promise.all(payloads.map((payload) => this.opened(payload)));
  }

  private async opened(payload: Payload): Promise<Payload> {
    for (let layer = 0; layer < MAX_LAYERS; layer++) {
      const metadata = payload.metadata ?? {};
      const data = payload.data ?? new Uint8Array();
      switch (text(metadata.encoding)) {
        case 'binary/encrypted': {
          // These mark another system's format.
          if ('encryption-dek' in metadata || 'encrypted-data-key' in metadata) return payload;
          const key = await this.source.opening(text(metadata['encryption-key-id']));
          payload = parsed(key.open(data));
          break;
        }
        case 'binary/zlib':
          payload = parsed(inflated(data));
          break;
        default:
          return payload;
      }
    }
    return payload;
  }
}

const text = (bytes: Uint8Array | null | undefined): string =>
  bytes ? Buffer.from(bytes).toString() : '';

/** A payload that can never be opened: activities are not retried on it. */
const payloadError = (reason: string): Error =>
  ApplicationFailure.nonRetryable(`cannot decrypt a payload: ${reason}`, 'PayloadError');

/** The keys cannot be fetched now. A later attempt can succeed. */
const unavailable = (cause: unknown): Error =>
  ApplicationFailure.retryable(`no key ring: ${reason(cause)}`, 'KeyringUnavailable');

const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

function parsed(plain: Uint8Array): Payload {
  try {
    return messages.Payload.decode(plain) as Payload;
  } catch {
    throw payloadError('it does not contain a payload');
  }
}

function inflated(data: Uint8Array): Uint8Array {
  try {
    return inflateSync(data, { maxOutputLength: MAX_INFLATED });
  } catch {
    throw payloadError('its compressed data is invalid or too large');
  }
}

/** The ring and its life: fresh, stale, last good. */
class Source {
  private held?: { ring: Ring; at: number };
  private tried = 0; // the end of the latest fetch
  private failed?: { cause: unknown }; // how it ended
  private flight?: Promise<void>; // the running fetch

  constructor(
    private readonly fetch: Fetch,
    private readonly namespace: string,
    private readonly clock: () => number,
  ) {}

  /** The ring; nobody waits for it if one is held. */
  async current(): Promise<Ring> {
    const held = this.usable();
    if (held) {
      this.keepFresh();
      return held;
    }
    if (!this.failed || this.age(this.tried) >= COOLDOWN) await this.refresh();
    const fetched = this.usable();
    if (!fetched) throw unavailable(this.failed?.cause);
    return fetched;
  }

  /** The key of an id. An unknown id fetches the ring, but not soon after another try. */
  async opening(id: string): Promise<Key> {
    let key = (await this.current()).keys.get(id);
    if (key) return key;
    if (this.age(this.tried) >= COOLDOWN) await this.refresh();
    key = this.held?.ring.keys.get(id);
    if (key) return key;
    if (this.failed) throw unavailable(this.failed.cause);
    throw payloadError('the key ring has no key of its id');
  }

  keepFresh(): void {
    if (this.age(this.tried) >= (this.failed ? COOLDOWN : FRESH)) void this.refresh();
  }

  private usable(): Ring | undefined {
    return this.held && this.age(this.held.at) < LAST_GOOD ? this.held.ring : undefined;
  }

  private age(then: number): number {
    const age = this.clock() - then;
    return age >= 0 ? age : FRESH; // the clock was set back
  }

  private refresh(): Promise<void> {
    this.flight ??= this.fetched().finally(() => (this.flight = undefined));
    return this.flight;
  }

  private async fetched(): Promise<void> {
    try {
      const ring = new Ring(await inTime(this.fetch()), this.namespace);
      ring.sealing(this.clock());
      this.tried = this.clock();
      this.held = { ring, at: this.tried };
      this.failed = undefined;
    } catch (cause) {
      this.tried = this.clock();
      this.failed = { cause };
    }
  }
}

function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the source did not answer in time')), PATIENCE);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

class Ring {
  readonly keys = new Map<string, Key>();

  constructor(json: string, namespace: string) {
    const seen = new Set<string>();
    for (const [index, entry] of entries(json).entries()) {
      try {
        const key = new Key(entry, namespace);
        if (seen.has(key.id)) throw new Error('another key has this id');
        seen.add(key.id);
        if (!key.disabled) this.keys.set(key.id, key);
      } catch (error) {
        throw new Error(`keys[${index}]: ${reason(error)}`);
      }
    }
  }

  /** The key whose activation date is the latest that is past. */
  sealing(now: number): Key {
    let latest: Key | undefined;
    for (const key of this.keys.values()) {
      if (key.active <= now && (!latest || key.active > latest.active)) latest = key;
    }
    if (!latest) throw unavailable('the ring has no active key');
    return latest;
  }
}

/** What a ring's text says of a key; members that are not listed here are ignored. */
interface Entry {
  id?: unknown;
  key?: unknown;
  activation_date?: unknown;
  derive?: unknown;
  disabled?: unknown;
}

function entries(json: string): Entry[] {
  let document: { keys?: unknown } | null = null;
  try {
    if (Buffer.byteLength(json) <= MAX_RING_BYTES) document = JSON.parse(json);
  } catch {
    // The error would quote the text.
  }
  const keys = document?.keys;
  if (!Array.isArray(keys) || !keys.every((each) => typeof each === 'object' && each !== null)) {
    throw new Error('the text is not a key ring');
  }
  return keys;
}

class Key {
  readonly id: string;
  readonly active: number;
  readonly disabled: boolean;
  readonly #secret: Uint8Array; // a private field, so that no log shows it

  constructor(entry: Entry, namespace: string) {
    const { id, key, activation_date: date, derive = null, disabled = false } = entry;
    if (typeof id !== 'string' || [...id].length > 255 || /\p{Cc}/u.test(id)) {
      throw new Error('an id must have at most 255 characters, and no control characters');
    }
    const secret = Buffer.from(typeof key === 'string' ? key : '', 'base64');
    if (secret.length !== KEY_BYTES || secret.toString('base64') !== key) {
      throw new Error('a key must have 32 bytes in base64');
    }
    const zoned = typeof date === 'string' && /T.*(Z|[+-]\d\d:\d\d)$/.test(date);
    this.active = zoned ? Date.parse(date) : NaN;
    if (Number.isNaN(this.active)) {
      throw new Error('an activation_date must look like 2026-11-23T00:00:00Z');
    }
    if (derive !== null && derive !== 'namespace') throw new Error('derive must be namespace');
    if (typeof disabled !== 'boolean') throw new Error('disabled must be true or false');
    this.id = id;
    this.disabled = disabled;
    this.#secret = derive === null ? secret : derived(secret, id, namespace);
  }

  seal(payload: Payload): Payload {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#secret, nonce, { authTagLength: TAG_BYTES });
    const plain = messages.Payload.encode(payload).finish();
    const sealed = [nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()];
    return {
      metadata: {
        encoding: Buffer.from('binary/encrypted'),
        'encryption-key-id': Buffer.from(this.id),
      },
      data: Buffer.concat(sealed),
      ...(payload.externalPayloads?.length && { externalPayloads: payload.externalPayloads }),
    };
  }

  open(data: Uint8Array): Uint8Array {
    if (data.length < NONCE_BYTES + TAG_BYTES) throw payloadError('it is too short');
    const nonce = data.subarray(0, NONCE_BYTES);
    const opening = createDecipheriv(CIPHER, this.#secret, nonce, { authTagLength: TAG_BYTES });
    opening.setAuthTag(data.subarray(-TAG_BYTES));
    const plain = opening.update(data.subarray(NONCE_BYTES, -TAG_BYTES));
    try {
      return Buffer.concat([plain, opening.final()]);
    } catch {
      throw payloadError('it was changed, or encrypted with another key of this id');
    }
  }
}

/**
 * The key of one namespace: HKDF-SHA-256, whose one block is all that 32 bytes need. Node's own
 * takes 1,024 bytes of information, and an id with a namespace can have more.
 */
export function derived(secret: Uint8Array, id: string, namespace: string): Uint8Array {
  const info = Buffer.from(`temporal-codec/derive/v1\0${id}\0${namespace}\x01`);
  return hmac(hmac(Buffer.alloc(KEY_BYTES), secret), info);
}

const hmac = (key: Uint8Array, text: Uint8Array): Uint8Array =>
  createHmac('sha256', key).update(text).digest();

/** Reads the ring in a secret. Credentials and region are those of AWS's SDK. */
export function fromSecretsManager(name: string): Fetch {
  const made = import('@aws-sdk/client-secrets-manager').then((aws) => ({
    client: new aws.SecretsManagerClient({ maxAttempts: 2 }),
    command: () => new aws.GetSecretValueCommand({ SecretId: name, VersionStage: 'AWSCURRENT' }),
  }));
  return async () => {
    const { client, command } = await made;
    const abortSignal = AbortSignal.timeout(PATIENCE);
    return (await client.send(command(), { abortSignal })).SecretString ?? '';
  };
}

/** The form of a namespace in the name of a file or a secret. */
export function placeName(namespace: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$/.test(namespace)) return namespace;
  const bytes = Buffer.from(namespace);
  const escaped = bytes
    .toString('latin1')
    .replace(/^[.-]|[^A-Za-z0-9._-]/g, (each) => '=' + hex(each.charCodeAt(0)));
  if (escaped.length <= 200) return escaped;
  return `=sha256=${createHash('sha256').update(bytes).digest('hex')}`;
}

const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0');
