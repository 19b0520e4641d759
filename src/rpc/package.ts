import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import type { ChannelLimits } from './grpc/channel.ts';
import type { ProtoGrpcType as AdminTypes } from './wire/admin.ts';
import type { ProtoGrpcType as InferenceTypes } from './wire/inference.ts';
import type { ProtoGrpcType as PaymentsTypes } from './wire/payments.ts';
import type { ProtoGrpcType as ReleaseTypes } from './wire/release.ts';
import type { ProtoGrpcType as TransparencyTypes } from './wire/transparency.ts';
import type { ProtoGrpcType as WorkerTypes } from './wire/worker.ts';

const PROTO = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', 'proto');

/** Read once: the wire is data (`proto/`), and src/rpc/wire/ are its generated types. */
export const packageDefinition: PackageDefinition = loadSync(
  ['admin', 'inference', 'payments', 'release', 'transparency', 'worker'].map((name) => `chrysalis/v1/${name}.proto`),
  { includeDirs: [PROTO], longs: String, enums: String, defaults: true, oneofs: true, keepCase: false },
);

type V1 = AdminTypes['chrysalis']['v1'] &
  InferenceTypes['chrysalis']['v1'] &
  PaymentsTypes['chrysalis']['v1'] &
  ReleaseTypes['chrysalis']['v1'] &
  TransparencyTypes['chrysalis']['v1'] &
  WorkerTypes['chrysalis']['v1'];

export const v1 = (grpc.loadPackageDefinition(packageDefinition) as unknown as { chrysalis: { v1: V1 } }).chrysalis.v1;

/** Folder of the .proto files, for clients in other languages. */
export const protoFolder: string | null = existsSync(join(PROTO, 'chrysalis')) ? PROTO : null;

/**
 * Bytes of one gRPC message, both directions: a sealed frame is at most 64 KiB and the largest message is evidence with
 * its collateral.
 */
export const MESSAGE_BYTES_MAX = 2 * 1024 * 1024;

/** A peer that vanished without a FIN is noticed within twice this. */
export const KEEPALIVE_MS = 10_000;
export const METADATA_BYTES_MAX = 16 * 1024;

/** Of a connection, its streams and what waits on them: a gateway may have thousands under way. */
export const CONNECTION_MIB_MAX = 512;

/** Of a client's or a worker's connection to a router. */
export const CHANNEL_LIMITS: ChannelLimits = {
  messageBytesMax: MESSAGE_BYTES_MAX,
  metadataBytesMax: METADATA_BYTES_MAX,
  connectionMiBMax: CONNECTION_MIB_MAX,
  keepaliveMs: KEEPALIVE_MS,
};

export const CHANNEL_OPTIONS: grpc.ChannelOptions = {
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_MS,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_metadata_size': METADATA_BYTES_MAX,
};
