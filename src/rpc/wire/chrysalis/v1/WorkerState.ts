// Original file: proto/chrysalis/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface WorkerState {
  'workerId'?: (Buffer | Uint8Array | string);
  'name'?: (string);
  'state'?: (string);
  'modelName'?: (string);
  'evidenceDigest'?: (Buffer | Uint8Array | string);
  'leaseExpiresAt'?: (number | string | Long);
  'logIndex'?: (number | string | Long);
  'running'?: (number);
  'appraisal'?: (string);
  'simulated'?: (boolean);
  'resumed'?: (boolean);
}

export interface WorkerState__Output {
  'workerId': (Buffer);
  'name': (string);
  'state': (string);
  'modelName': (string);
  'evidenceDigest': (Buffer);
  'leaseExpiresAt': (string);
  'logIndex': (string);
  'running': (number);
  'appraisal': (string);
  'simulated': (boolean);
  'resumed': (boolean);
}
