// Original file: proto/chrysalis/v1/inference.proto


export interface SignedReceipt {
  'receipt'?: (Buffer | Uint8Array | string);
  'signature'?: (Buffer | Uint8Array | string);
}

export interface SignedReceipt__Output {
  'receipt': (Buffer);
  'signature': (Buffer);
}
