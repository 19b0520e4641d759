// Original file: proto/chrysalis/v1/release.proto

import type { SecretState as _chrysalis_v1_SecretState, SecretState__Output as _chrysalis_v1_SecretState__Output } from '../../chrysalis/v1/SecretState.ts';

export interface ListSecretsResponse {
  'secrets'?: (_chrysalis_v1_SecretState)[];
}

export interface ListSecretsResponse__Output {
  'secrets': (_chrysalis_v1_SecretState__Output)[];
}
