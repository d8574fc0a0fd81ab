# frozen_string_literal: true

# Stands in for the SDK where its gem is missing: the message, as temporal/api/common/v1 has it.
require 'google/protobuf'

Google::Protobuf::DescriptorPool.generated_pool.build do
  add_message 'temporal.api.common.v1.Payload' do
    map :metadata, :string, :bytes, 1
    optional :data, :bytes, 2
    repeated :external_payloads, :message, 3, 'temporal.api.common.v1.Payload.ExternalPayloadDetails'
  end
  add_message 'temporal.api.common.v1.Payload.ExternalPayloadDetails' do
    optional :size_bytes, :int64, 1
  end
end

module Temporalio
  module Api
    module Common
      module V1
        pool = Google::Protobuf::DescriptorPool.generated_pool
        Payload = pool.lookup('temporal.api.common.v1.Payload').msgclass
      end
    end
  end
end
