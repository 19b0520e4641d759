// Original file: proto/chrysalis/v1/payments.proto


export interface GetChannelRequest {
  'channel'?: (string);
}

export interface GetChannelRequest__Output {
  'channel': (string);
}
