// Original file: proto/chrysalis/v1/transparency.proto


export interface GetReceiptProofRequest {
  'receiptDigest'?: (Buffer | Uint8Array | string);
}

export interface GetReceiptProofRequest__Output {
  'receiptDigest': (Buffer);
}
