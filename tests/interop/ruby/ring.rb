# frozen_string_literal: true

# Uses the ring reader of examples/ruby as the tests ask.
#
#   ring.rb lines URI NAMESPACE   answers requests, one JSON object a line: {"encode": PAYLOADS},
#                                 {"decode": PAYLOADS}, {"advance": SECONDS}

require 'base64'
require 'json'
require_relative '../../../examples/ruby/ring_codec'

def read(payload)
  sizes = payload.fetch('externalPayloads', []).map { |each| { size_bytes: each['sizeBytes'].to_i } }
  RingCodec::Payload.new(
    metadata: payload.fetch('metadata', {}).transform_values { |text| Base64.strict_decode64(text) },
    data: Base64.strict_decode64(payload.fetch('data', '')),
    external_payloads: sizes.map { |each| DETAILS.new(**each) }
  )
end

DETAILS = RingCodec::Payload.descriptor.lookup('external_payloads').subtype.msgclass

def written(payload)
  metadata = payload.metadata.to_h.transform_values { |bytes| Base64.strict_encode64(bytes) }
  { metadata: metadata, data: Base64.strict_encode64(payload.data) }
end

def answer(codec, asked)
  operation = %w[encode decode].find { |each| asked.key?(each) }
  return {} unless operation

  payloads = asked[operation].fetch('payloads', []).map { |each| read(each) }
  { payloads: codec.public_send(operation, payloads).map { |each| written(each) } }
rescue Temporalio::Error::ApplicationError => e
  { fault: e.non_retryable ? 'permanent' : 'transient', message: e.message }
end

ahead = 0.0
clock = -> { Time.now.to_f + ahead }
_, uri, namespace = ARGV
codec = RingCodec.new(-> { File.read(uri.delete_prefix('file:')) }, namespace, clock: clock)
$stdout.sync = true
$stdin.each_line do |line|
  asked = JSON.parse(line)
  ahead += asked.fetch('advance', 0)
  puts JSON.generate(answer(codec, asked))
end
