// Original file: proto/chrysalis/v1/payments.proto

import type { Long } from '@grpc/proto-loader';

export interface ChannelConfig {
  'network'?: (number);
  'clientKey'?: (Buffer | Uint8Array | string);
  'closeDelaySeconds'?: (number);
  'salt'?: (number | string | Long);
  'client'?: (string);
  'payee'?: (string);
}

export interface ChannelConfig__Output {
  'network': (number);
  'clientKey': (Buffer);
  'closeDelaySeconds': (number);
  'salt': (string);
  'client': (string);
  'payee': (string);
}
