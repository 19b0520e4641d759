// Original file: proto/chrysalis/v1/release.proto

import type { Long } from '@grpc/proto-loader';

export interface SecretState {
  'name'?: (string);
  'owner'?: (string);
  'policyId'?: (string);
  'policyNumber'?: (number);
  'policyDigest'?: (Buffer | Uint8Array | string);
  'state'?: (string);
  'released'?: (number);
  'refused'?: (number);
  'secretId'?: (Buffer | Uint8Array | string);
  'logIndex'?: (number | string | Long);
}

export interface SecretState__Output {
  'name': (string);
  'owner': (string);
  'policyId': (string);
  'policyNumber': (number);
  'policyDigest': (Buffer);
  'state': (string);
  'released': (number);
  'refused': (number);
  'secretId': (Buffer);
  'logIndex': (string);
}
