// Original file: proto/chrysalis/v1/payments.proto

import type { ChannelConfig as _chrysalis_v1_ChannelConfig, ChannelConfig__Output as _chrysalis_v1_ChannelConfig__Output } from '../../chrysalis/v1/ChannelConfig.ts';
import type { Long } from '@grpc/proto-loader';

export interface DelegateRequest {
  'channel'?: (_chrysalis_v1_ChannelConfig | null);
  'sessionKey'?: (Buffer | Uint8Array | string);
  'limit'?: (number | string | Long);
  'notAfter'?: (number | string | Long);
  'signature'?: (Buffer | Uint8Array | string);
}

export interface DelegateRequest__Output {
  'channel': (_chrysalis_v1_ChannelConfig__Output | null);
  'sessionKey': (Buffer);
  'limit': (string);
  'notAfter': (string);
  'signature': (Buffer);
}
