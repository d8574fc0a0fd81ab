# frozen_string_literal: true

# Stands in for the SDK where its gem is missing: what the ring reader uses of it.
module Temporalio
  module Converters
    class PayloadCodec
    end
  end
end
