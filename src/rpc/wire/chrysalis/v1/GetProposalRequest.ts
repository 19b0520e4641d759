// Original file: proto/chrysalis/v1/admin.proto


export interface GetProposalRequest {
}

export interface GetProposalRequest__Output {
}
