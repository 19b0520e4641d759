// Original file: proto/chrysalis/v1/payments.proto


export interface DelegateResponse {
  'paymentRef'?: (Buffer | Uint8Array | string);
}

export interface DelegateResponse__Output {
  'paymentRef': (Buffer);
}
