# frozen_string_literal: true

require 'json'
require 'openssl'
require 'securerandom'
require 'time'
require 'zlib'
require 'temporalio/api/common/v1/message'
require 'temporalio/converters'
require 'temporalio/error'

# Encrypts Temporal payloads with a key ring: AES-256-GCM in the format of Temporal's encryption
# samples, with keys that rotate. Copy this file:
#
#   codec = RingCodec.open('secretsmanager:temporal-codec/{namespace}', 'orders')
#   client = Temporalio::Client.connect('localhost:7233', 'orders', data_converter: codec.data_converter)
class RingCodec < Temporalio::Converters::PayloadCodec
  FRESH = 300 # seconds for which a ring is used before it is fetched again
  COOLDOWN = 30 # between a failed fetch, or one for an unknown id, and the next
  LAST_GOOD = 24 * 3600 # for which a ring is used if it cannot be fetched again

  NONCE_BYTES = 12
  TAG_BYTES = 16
  KEY_BYTES = 32
  MAX_RING_BYTES = 65_536
  MAX_INFLATED = 4_000_000
  MAX_LAYERS = 4
  Payload = Temporalio::Api::Common::V1::Payload
  Key = Struct.new(:id, :active, :secret) do
    def inspect = "Key(#{id})" # the default would show the key
    alias_method :to_s, :inspect
  end
  private_constant :Key

  # Fetches the ring and keeps it fresh. The URI is secretsmanager:NAME or file:PATH, where
  # {namespace} stands for the namespace.
  def self.open(uri, namespace)
    scheme, name = uri.split(':', 2)
    name = name.to_s.gsub('{namespace}') { place_name(namespace) }
    fetch = { 'file' => -> { File.read(name) }, 'secretsmanager' => secrets_manager(name) }[scheme]
    raise ArgumentError, "a key ring's URI must be secretsmanager:NAME or file:PATH" if !fetch || name.empty?

    new(fetch, namespace)
  end

  # The same with a source and a clock (seconds) of your own.
  def initialize(fetch, namespace, clock: -> { Time.now.to_f })
    super()
    @fetch = fetch
    @namespace = namespace
    @clock = clock
    @state = Mutex.new
    @flight = Mutex.new
    @tried = 0.0
    current
    keep_fresh
  end

  # What to give to clients: it encrypts the messages and stack traces of failures, too.
  def data_converter
    failures = Temporalio::Converters::FailureConverter.new(encode_common_attributes: true)
    Temporalio::Converters::DataConverter.new(payload_codec: self, failure_converter: failures)
  end

  def encode(payloads)
    key = sealing(current)
    payloads.map { |payload| seal(key, payload) }
  end

  def decode(payloads)
    payloads.map { |payload| opened(payload) }
  end

  # The key of one namespace.
  def self.derived(secret, id, namespace)
    info = "temporal-codec/derive/v1\0#{id}\0#{namespace}".b
    extracted = OpenSSL::HMAC.digest('SHA256', "\0" * KEY_BYTES, secret)
    # HKDF-SHA-256, whose one block is all that 32 bytes need.
    OpenSSL::HMAC.digest('SHA256', extracted, "#{info}\x01".b)
  end

  # The form of a namespace in the name of a file or a secret.
  def self.place_name(namespace)
    return namespace if namespace.match?(/\A[A-Za-z0-9_][A-Za-z0-9._-]{0,254}\z/)

    escaped = namespace.b.gsub(/\A[.-]|[^A-Za-z0-9._-]/n) { |each| format('=%02X', each.ord) }
    escaped.size <= 200 ? escaped : "=sha256=#{OpenSSL::Digest::SHA256.hexdigest(namespace)}"
  end

  # Reads the ring in a secret. Credentials and region are those of AWS's SDK.
  def self.secrets_manager(name)
    client = nil
    lambda do
      require 'aws-sdk-secretsmanager'
      client ||= Aws::SecretsManager::Client.new(http_open_timeout: 1, http_read_timeout: 2, retry_limit: 1)
      client.get_secret_value(secret_id: name, version_stage: 'AWSCURRENT').secret_string
    end
  end

  private

  # --- payloads ---

  def seal(key, payload)
    cipher = OpenSSL::Cipher.new('aes-256-gcm').encrypt
    cipher.key = key.secret
    nonce = cipher.random_iv
    plain = Payload.encode(payload)
    # OpenSSL takes no empty text, which an empty payload is.
    sealed = (plain.empty? ? ''.b : cipher.update(plain)) + cipher.final
    Payload.new(
      metadata: { 'encoding' => 'binary/encrypted'.b, 'encryption-key-id' => key.id.b },
      data: nonce + sealed + cipher.auth_tag(TAG_BYTES),
      **external(payload)
    )
  end

  # Older versions of the SDK's messages lack this field.
  def external(payload)
    payload.respond_to?(:external_payloads) ? { external_payloads: payload.external_payloads.to_a } : {}
  end

  def opened(payload)
    MAX_LAYERS.times do
      metadata = payload.metadata
      case metadata['encoding']
      when 'binary/encrypted'
        # These mark another system's format.
        return payload if metadata['encryption-dek'] || metadata['encrypted-data-key']

        payload = parsed(decrypted(opening(metadata['encryption-key-id'].to_s.b), payload.data))
      when 'binary/zlib'
        payload = parsed(inflated(payload.data))
      else
        return payload
      end
    end
    payload
  end

  def decrypted(key, data)
    never('it is too short') if data.bytesize < NONCE_BYTES + TAG_BYTES
    cipher = OpenSSL::Cipher.new('aes-256-gcm').decrypt
    cipher.key = key.secret
    cipher.iv = data.byteslice(0, NONCE_BYTES)
    cipher.auth_tag = data.byteslice(-TAG_BYTES, TAG_BYTES)
    sealed = data.byteslice(NONCE_BYTES, data.bytesize - NONCE_BYTES - TAG_BYTES)
    (sealed.empty? ? ''.b : cipher.update(sealed)) + cipher.final
  rescue OpenSSL::Cipher::CipherError
    never('it was changed, or encrypted with another key of this id')
  end

  def inflated(data)
    plain = ''.b
    Zlib::Inflate.new.inflate(data) do |piece|
      plain << piece
      never('its compressed data is too large') if plain.bytesize > MAX_INFLATED
    end
    plain
  rescue Zlib::Error
    never('its compressed data is invalid')
  end

  def parsed(plain)
    Payload.decode(plain)
  rescue Google::Protobuf::ParseError
    never('it does not contain a payload')
  end

  # A payload that can never be opened: activities are not retried on it.
  def never(reason)
    raise Temporalio::Error::ApplicationError.new(
      "cannot decrypt a payload: #{reason}", type: 'PayloadError', non_retryable: true
    )
  end

  # The keys cannot be fetched now. A later attempt can succeed.
  def unavailable(cause)
    raise Temporalio::Error::ApplicationError.new("no key ring: #{cause}", type: 'KeyringUnavailable')
  end

  # --- the ring and its life ---

  # The ring; nobody waits for it if one is held.
  def current
    held = usable
    if held
      Thread.new { refresh_if_due } if due? && !@flight.locked?
      return held
    end
    refresh unless @failed && age(@tried) < COOLDOWN
    usable || unavailable(@failed)
  end

  # The key of an id. An unknown id fetches the ring, but not soon after another try.
  def opening(id)
    key = current[id]
    return key if key

    refresh if age(@tried) >= COOLDOWN
    key = @held[id]
    return key if key

    unavailable(@failed) if @failed
    never('the key ring has no key of its id')
  end

  def sealing(ring)
    past = ring.values.select { |key| key.active <= @clock.call }
    # The first of those with the latest date.
    past.max_by.with_index { |key, index| [key.active, -index] } || unavailable('it has no active key')
  end

  def usable
    @state.synchronize { @held if @held && age(@held_at) < LAST_GOOD }
  end

  def due? = age(@tried) >= (@failed ? COOLDOWN : FRESH)

  def age(moment)
    age = @clock.call - moment
    age.negative? ? FRESH : age # negative: the clock was set back
  end

  def refresh_if_due
    refresh if due?
  end

  # Those who come while a fetch runs wait for it, and do not fetch again.
  def refresh
    before = @tried
    @flight.synchronize { fetch_now if @tried == before }
  end

  def fetch_now
    ring = read(@fetch.call)
    sealing(ring)
    @state.synchronize { @held, @held_at, @tried, @failed = ring, @clock.call, @clock.call, nil }
  rescue StandardError => e
    @state.synchronize { @tried, @failed = @clock.call, e.message }
  end

  def keep_fresh
    Thread.new do
      loop do
        sleep 1
        refresh_if_due
      end
    end
  end

  # --- the ring's text ---

  def read(text)
    entries = begin
      text.bytesize <= MAX_RING_BYTES && JSON.parse(text)['keys']
    rescue JSON::ParserError, TypeError, NoMethodError
      nil # the error would quote the text
    end
    raise 'the text is not a key ring' unless entries.is_a?(Array) && entries.all?(Hash)

    made = entries.each_with_index.map { |entry, index| [key(entry, index), entry['disabled']] }
    raise 'two keys have the same id' if made.uniq { |each, _| each.id }.size < made.size

    made.reject { |_, disabled| disabled }.to_h { |each, _| [each.id.b, each] }
  end

  # Members that are not read here are ignored.
  def key(entry, index)
    id, derive, disabled = entry.values_at('id', 'derive', 'disabled')
    valid_id = id.is_a?(String) && id.size <= 255 && !id.match?(/\p{Cc}/)
    raise "keys[#{index}]: an id must have at most 255 characters" unless valid_id
    raise "keys[#{index}]: derive must be namespace" unless [nil, 'namespace'].include?(derive)
    raise "keys[#{index}]: disabled must be true or false" unless [nil, true, false].include?(disabled)

    secret = secret(entry['key'], index)
    secret = self.class.derived(secret, id, @namespace) if derive
    Key.new(id, date(entry['activation_date'], index), secret)
  end

  def secret(text, index)
    secret = text.to_s.unpack1('m0')
    raise ArgumentError unless secret.bytesize == KEY_BYTES

    secret
  rescue ArgumentError
    raise "keys[#{index}]: a key must have 32 bytes in base64"
  end

  def date(text, index)
    Time.iso8601(text).to_f # wants a time zone
  rescue ArgumentError, TypeError, NoMethodError
    raise "keys[#{index}]: an activation_date must look like 2026-11-23T00:00:00Z"
  end
end
