// Original file: proto/chrysalis/v1/payments.proto


export interface GetTermsRequest {
}

export interface GetTermsRequest__Output {
}
