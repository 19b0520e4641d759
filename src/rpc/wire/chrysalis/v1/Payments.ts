// Original file: proto/chrysalis/v1/payments.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ChannelAccount as _chrysalis_v1_ChannelAccount, ChannelAccount__Output as _chrysalis_v1_ChannelAccount__Output } from '../../chrysalis/v1/ChannelAccount.ts';
import type { DelegateRequest as _chrysalis_v1_DelegateRequest, DelegateRequest__Output as _chrysalis_v1_DelegateRequest__Output } from '../../chrysalis/v1/DelegateRequest.ts';
import type { DelegateResponse as _chrysalis_v1_DelegateResponse, DelegateResponse__Output as _chrysalis_v1_DelegateResponse__Output } from '../../chrysalis/v1/DelegateResponse.ts';
import type { GetChannelRequest as _chrysalis_v1_GetChannelRequest, GetChannelRequest__Output as _chrysalis_v1_GetChannelRequest__Output } from '../../chrysalis/v1/GetChannelRequest.ts';
import type { GetTermsRequest as _chrysalis_v1_GetTermsRequest, GetTermsRequest__Output as _chrysalis_v1_GetTermsRequest__Output } from '../../chrysalis/v1/GetTermsRequest.ts';
import type { GetTermsResponse as _chrysalis_v1_GetTermsResponse, GetTermsResponse__Output as _chrysalis_v1_GetTermsResponse__Output } from '../../chrysalis/v1/GetTermsResponse.ts';
import type { SubmitVoucherRequest as _chrysalis_v1_SubmitVoucherRequest, SubmitVoucherRequest__Output as _chrysalis_v1_SubmitVoucherRequest__Output } from '../../chrysalis/v1/SubmitVoucherRequest.ts';
import type { SubmitVoucherResponse as _chrysalis_v1_SubmitVoucherResponse, SubmitVoucherResponse__Output as _chrysalis_v1_SubmitVoucherResponse__Output } from '../../chrysalis/v1/SubmitVoucherResponse.ts';

export interface PaymentsClient extends grpc.Client {
  Delegate(argument: _chrysalis_v1_DelegateRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_DelegateResponse__Output>): grpc.ClientUnaryCall;
  Delegate(argument: _chrysalis_v1_DelegateRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_DelegateResponse__Output>): grpc.ClientUnaryCall;
  Delegate(argument: _chrysalis_v1_DelegateRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_DelegateResponse__Output>): grpc.ClientUnaryCall;
  Delegate(argument: _chrysalis_v1_DelegateRequest, callback: grpc.requestCallback<_chrysalis_v1_DelegateResponse__Output>): grpc.ClientUnaryCall;
  delegate(argument: _chrysalis_v1_DelegateRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_DelegateResponse__Output>): grpc.ClientUnaryCall;
  delegate(argument: _chrysalis_v1_DelegateRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_DelegateResponse__Output>): grpc.ClientUnaryCall;
  delegate(argument: _chrysalis_v1_DelegateRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_DelegateResponse__Output>): grpc.ClientUnaryCall;
  delegate(argument: _chrysalis_v1_DelegateRequest, callback: grpc.requestCallback<_chrysalis_v1_DelegateResponse__Output>): grpc.ClientUnaryCall;
  
  GetChannel(argument: _chrysalis_v1_GetChannelRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ChannelAccount__Output>): grpc.ClientUnaryCall;
  GetChannel(argument: _chrysalis_v1_GetChannelRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ChannelAccount__Output>): grpc.ClientUnaryCall;
  GetChannel(argument: _chrysalis_v1_GetChannelRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ChannelAccount__Output>): grpc.ClientUnaryCall;
  GetChannel(argument: _chrysalis_v1_GetChannelRequest, callback: grpc.requestCallback<_chrysalis_v1_ChannelAccount__Output>): grpc.ClientUnaryCall;
  
  GetTerms(argument: _chrysalis_v1_GetTermsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetTermsResponse__Output>): grpc.ClientUnaryCall;
  GetTerms(argument: _chrysalis_v1_GetTermsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_GetTermsResponse__Output>): grpc.ClientUnaryCall;
  GetTerms(argument: _chrysalis_v1_GetTermsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetTermsResponse__Output>): grpc.ClientUnaryCall;
  GetTerms(argument: _chrysalis_v1_GetTermsRequest, callback: grpc.requestCallback<_chrysalis_v1_GetTermsResponse__Output>): grpc.ClientUnaryCall;
  getTerms(argument: _chrysalis_v1_GetTermsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetTermsResponse__Output>): grpc.ClientUnaryCall;
  getTerms(argument: _chrysalis_v1_GetTermsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_GetTermsResponse__Output>): grpc.ClientUnaryCall;
  getTerms(argument: _chrysalis_v1_GetTermsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetTermsResponse__Output>): grpc.ClientUnaryCall;
  getTerms(argument: _chrysalis_v1_GetTermsRequest, callback: grpc.requestCallback<_chrysalis_v1_GetTermsResponse__Output>): grpc.ClientUnaryCall;
  
  RequestClaim(argument: _chrysalis_v1_GetChannelRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ChannelAccount__Output>): grpc.ClientUnaryCall;
  RequestClaim(argument: _chrysalis_v1_GetChannelRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ChannelAccount__Output>): grpc.ClientUnaryCall;
  RequestClaim(argument: _chrysalis_v1_GetChannelRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ChannelAccount__Output>): grpc.ClientUnaryCall;
  RequestClaim(argument: _chrysalis_v1_GetChannelRequest, callback: grpc.requestCallback<_chrysalis_v1_ChannelAccount__Output>): grpc.ClientUnaryCall;
  requestClaim(argument: _chrysalis_v1_GetChannelRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ChannelAccount__Output>): grpc.ClientUnaryCall;
  requestClaim(argument: _chrysalis_v1_GetChannelRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ChannelAccount__Output>): grpc.ClientUnaryCall;
  requestClaim(argument: _chrysalis_v1_GetChannelRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ChannelAccount__Output>): grpc.ClientUnaryCall;
  requestClaim(argument: _chrysalis_v1_GetChannelRequest, callback: grpc.requestCallback<_chrysalis_v1_ChannelAccount__Output>): grpc.ClientUnaryCall;
  
  SubmitVoucher(argument: _chrysalis_v1_SubmitVoucherRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_SubmitVoucherResponse__Output>): grpc.ClientUnaryCall;
  SubmitVoucher(argument: _chrysalis_v1_SubmitVoucherRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_SubmitVoucherResponse__Output>): grpc.ClientUnaryCall;
  SubmitVoucher(argument: _chrysalis_v1_SubmitVoucherRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_SubmitVoucherResponse__Output>): grpc.ClientUnaryCall;
  SubmitVoucher(argument: _chrysalis_v1_SubmitVoucherRequest, callback: grpc.requestCallback<_chrysalis_v1_SubmitVoucherResponse__Output>): grpc.ClientUnaryCall;
  submitVoucher(argument: _chrysalis_v1_SubmitVoucherRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_SubmitVoucherResponse__Output>): grpc.ClientUnaryCall;
  submitVoucher(argument: _chrysalis_v1_SubmitVoucherRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_SubmitVoucherResponse__Output>): grpc.ClientUnaryCall;
  submitVoucher(argument: _chrysalis_v1_SubmitVoucherRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_SubmitVoucherResponse__Output>): grpc.ClientUnaryCall;
  submitVoucher(argument: _chrysalis_v1_SubmitVoucherRequest, callback: grpc.requestCallback<_chrysalis_v1_SubmitVoucherResponse__Output>): grpc.ClientUnaryCall;
  
}

export interface PaymentsHandlers extends grpc.UntypedServiceImplementation {
  Delegate: grpc.handleUnaryCall<_chrysalis_v1_DelegateRequest__Output, _chrysalis_v1_DelegateResponse>;
  
  GetChannel: grpc.handleUnaryCall<_chrysalis_v1_GetChannelRequest__Output, _chrysalis_v1_ChannelAccount>;
  
  GetTerms: grpc.handleUnaryCall<_chrysalis_v1_GetTermsRequest__Output, _chrysalis_v1_GetTermsResponse>;
  
  RequestClaim: grpc.handleUnaryCall<_chrysalis_v1_GetChannelRequest__Output, _chrysalis_v1_ChannelAccount>;
  
  SubmitVoucher: grpc.handleUnaryCall<_chrysalis_v1_SubmitVoucherRequest__Output, _chrysalis_v1_SubmitVoucherResponse>;
  
}

export interface PaymentsDefinition extends grpc.ServiceDefinition {
  Delegate: MethodDefinition<_chrysalis_v1_DelegateRequest, _chrysalis_v1_DelegateResponse, _chrysalis_v1_DelegateRequest__Output, _chrysalis_v1_DelegateResponse__Output>
  GetChannel: MethodDefinition<_chrysalis_v1_GetChannelRequest, _chrysalis_v1_ChannelAccount, _chrysalis_v1_GetChannelRequest__Output, _chrysalis_v1_ChannelAccount__Output>
  GetTerms: MethodDefinition<_chrysalis_v1_GetTermsRequest, _chrysalis_v1_GetTermsResponse, _chrysalis_v1_GetTermsRequest__Output, _chrysalis_v1_GetTermsResponse__Output>
  RequestClaim: MethodDefinition<_chrysalis_v1_GetChannelRequest, _chrysalis_v1_ChannelAccount, _chrysalis_v1_GetChannelRequest__Output, _chrysalis_v1_ChannelAccount__Output>
  SubmitVoucher: MethodDefinition<_chrysalis_v1_SubmitVoucherRequest, _chrysalis_v1_SubmitVoucherResponse, _chrysalis_v1_SubmitVoucherRequest__Output, _chrysalis_v1_SubmitVoucherResponse__Output>
}
