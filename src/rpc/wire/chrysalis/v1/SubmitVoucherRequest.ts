// Original file: proto/chrysalis/v1/payments.proto


export interface SubmitVoucherRequest {
  'channel'?: (string);
  'cumulative'?: (string);
  'receipts'?: (Buffer | Uint8Array | string);
  'newReceiptDigests'?: (Buffer | Uint8Array | string)[];
  'signature'?: (Buffer | Uint8Array | string);
}

export interface SubmitVoucherRequest__Output {
  'channel': (string);
  'cumulative': (string);
  'receipts': (Buffer);
  'newReceiptDigests': (Buffer)[];
  'signature': (Buffer);
}
