import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { ChannelAccount as _chrysalis_v1_ChannelAccount, ChannelAccount__Output as _chrysalis_v1_ChannelAccount__Output } from './chrysalis/v1/ChannelAccount.ts';
import type { ChannelConfig as _chrysalis_v1_ChannelConfig, ChannelConfig__Output as _chrysalis_v1_ChannelConfig__Output } from './chrysalis/v1/ChannelConfig.ts';
import type { DelegateRequest as _chrysalis_v1_DelegateRequest, DelegateRequest__Output as _chrysalis_v1_DelegateRequest__Output } from './chrysalis/v1/DelegateRequest.ts';
import type { DelegateResponse as _chrysalis_v1_DelegateResponse, DelegateResponse__Output as _chrysalis_v1_DelegateResponse__Output } from './chrysalis/v1/DelegateResponse.ts';
import type { GetChannelRequest as _chrysalis_v1_GetChannelRequest, GetChannelRequest__Output as _chrysalis_v1_GetChannelRequest__Output } from './chrysalis/v1/GetChannelRequest.ts';
import type { GetTermsRequest as _chrysalis_v1_GetTermsRequest, GetTermsRequest__Output as _chrysalis_v1_GetTermsRequest__Output } from './chrysalis/v1/GetTermsRequest.ts';
import type { GetTermsResponse as _chrysalis_v1_GetTermsResponse, GetTermsResponse__Output as _chrysalis_v1_GetTermsResponse__Output } from './chrysalis/v1/GetTermsResponse.ts';
import type { ModelPrice as _chrysalis_v1_ModelPrice, ModelPrice__Output as _chrysalis_v1_ModelPrice__Output } from './chrysalis/v1/ModelPrice.ts';
import type { PaymentsClient as _chrysalis_v1_PaymentsClient, PaymentsDefinition as _chrysalis_v1_PaymentsDefinition } from './chrysalis/v1/Payments.ts';
import type { SubmitVoucherRequest as _chrysalis_v1_SubmitVoucherRequest, SubmitVoucherRequest__Output as _chrysalis_v1_SubmitVoucherRequest__Output } from './chrysalis/v1/SubmitVoucherRequest.ts';
import type { SubmitVoucherResponse as _chrysalis_v1_SubmitVoucherResponse, SubmitVoucherResponse__Output as _chrysalis_v1_SubmitVoucherResponse__Output } from './chrysalis/v1/SubmitVoucherResponse.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  chrysalis: {
    v1: {
      ChannelAccount: MessageTypeDefinition<_chrysalis_v1_ChannelAccount, _chrysalis_v1_ChannelAccount__Output>
      ChannelConfig: MessageTypeDefinition<_chrysalis_v1_ChannelConfig, _chrysalis_v1_ChannelConfig__Output>
      DelegateRequest: MessageTypeDefinition<_chrysalis_v1_DelegateRequest, _chrysalis_v1_DelegateRequest__Output>
      DelegateResponse: MessageTypeDefinition<_chrysalis_v1_DelegateResponse, _chrysalis_v1_DelegateResponse__Output>
      GetChannelRequest: MessageTypeDefinition<_chrysalis_v1_GetChannelRequest, _chrysalis_v1_GetChannelRequest__Output>
      GetTermsRequest: MessageTypeDefinition<_chrysalis_v1_GetTermsRequest, _chrysalis_v1_GetTermsRequest__Output>
      GetTermsResponse: MessageTypeDefinition<_chrysalis_v1_GetTermsResponse, _chrysalis_v1_GetTermsResponse__Output>
      ModelPrice: MessageTypeDefinition<_chrysalis_v1_ModelPrice, _chrysalis_v1_ModelPrice__Output>
      Payments: SubtypeConstructor<typeof grpc.Client, _chrysalis_v1_PaymentsClient> & { service: _chrysalis_v1_PaymentsDefinition }
      SubmitVoucherRequest: MessageTypeDefinition<_chrysalis_v1_SubmitVoucherRequest, _chrysalis_v1_SubmitVoucherRequest__Output>
      SubmitVoucherResponse: MessageTypeDefinition<_chrysalis_v1_SubmitVoucherResponse, _chrysalis_v1_SubmitVoucherResponse__Output>
    }
  }
}

