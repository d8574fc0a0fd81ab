package ringcodec;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import io.temporal.api.common.v1.Payload;
import io.temporal.common.converter.CodecDataConverter;
import io.temporal.common.converter.DataConverter;
import io.temporal.common.converter.DefaultDataConverter;
import io.temporal.failure.ApplicationFailure;
import io.temporal.payload.codec.PayloadCodec;
import io.temporal.payload.codec.PayloadCodecException;
import io.temporal.workflow.unsafe.WorkflowUnsafe;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;
import java.util.zip.InflaterInputStream;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import software.amazon.awssdk.services.secretsmanager.SecretsManagerClient;

/**
 * Encrypts Temporal payloads with a key ring: AES-256-GCM in the format of Temporal's encryption
 * samples, with keys that rotate. Copy this file, or import the package:
 *
 * <pre>{@code
 * RingCodec codec = RingCodec.open("secretsmanager:temporal-codec/{namespace}", "orders");
 * WorkflowClientOptions.newBuilder().setNamespace("orders").setDataConverter(codec.dataConverter())
 * }</pre>
 */
public final class RingCodec implements PayloadCodec {
  /** How long a ring is used before it is fetched again. */
  private static final Duration FRESH = Duration.ofMinutes(5);

  /** Between a failed fetch, or one for an unknown id, and the next. */
  private static final Duration COOLDOWN = Duration.ofSeconds(30);

  /** How long a ring is used if it cannot be fetched again. */
  private static final Duration LAST_GOOD = Duration.ofHours(24);

  /** How long a fetch may take. */
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  private static final String ENCODING = "encoding";
  private static final String KEY_ID = "encryption-key-id";
  private static final ByteString ENCRYPTED = ByteString.copyFromUtf8("binary/encrypted");
  private static final ByteString COMPRESSED = ByteString.copyFromUtf8("binary/zlib");
  private static final int KEY_BYTES = 32;
  private static final int NONCE_BYTES = 12;
  private static final int TAG_BYTES = 16;
  private static final int MAX_RING_BYTES = 65_536;
  private static final int MAX_INFLATED = 4_000_000;
  private static final int MAX_LAYERS = 4;

  private final Source source;
  private final Clock clock;

  /**
   * Fetches the ring and keeps it fresh. The URI is {@code secretsmanager:NAME} or {@code
   * file:PATH}, where {@code {namespace}} stands for the namespace.
   */
  public static RingCodec open(String uri, String namespace) {
    String[] parts = uri.split(":", 2);
    if (parts.length < 2 || parts[1].isEmpty()) {
      throw new IllegalArgumentException(URI_FORM);
    }
    String name = parts[1].replace("{namespace}", placeName(namespace));
    return switch (parts[0]) {
      case "file" -> new RingCodec(fromFile(name), namespace, Clock.systemUTC());
      case "secretsmanager" -> {
        yield new RingCodec(fromSecretsManager(name), namespace, Clock.systemUTC());
      }
      default -> throw new IllegalArgumentException(URI_FORM);
    };
  }

  private static final String URI_FORM =
      "a key ring's URI must be secretsmanager:NAME or file:PATH";

  /** {@link #open} with a source and a clock of your own. */
  public RingCodec(Callable<String> fetch, String namespace, Clock clock) {
    this.clock = clock;
    source = new Source(fetch, namespace, clock);
    source.current(PATIENCE);
    source.keepFresh();
  }

  /** What to give to clients: it encrypts the messages and stack traces of failures, too. */
  public DataConverter dataConverter() {
    return new CodecDataConverter(DefaultDataConverter.newDefaultInstance(), List.of(this), true);
  }

  @Override
  public List<Payload> encode(List<Payload> payloads) {
    Key key = source.current(patience()).sealing(clock.instant());
    return payloads.stream().map(key::seal).toList();
  }

  @Override
  public List<Payload> decode(List<Payload> payloads) {
    return payloads.stream().map(this::opened).toList();
  }

  /** A workflow's thread never waits: its task fails, and is retried. */
  private static Duration patience() {
    return WorkflowUnsafe.isWorkflowThread() ? Duration.ZERO : PATIENCE;
  }

  private Payload opened(Payload payload) {
    for (int layer = 0; layer < MAX_LAYERS; layer++) {
      Map<String, ByteString> metadata = payload.getMetadataMap();
      ByteString encoding = metadata.get(ENCODING);
      byte[] plain;
      if (ENCRYPTED.equals(encoding)) {
        if (metadata.containsKey("encryption-dek") || metadata.containsKey("encrypted-data-key")) {
          return payload; // another system's format
        }
        String id = metadata.getOrDefault(KEY_ID, ByteString.EMPTY).toStringUtf8();
        plain = source.opening(id, patience()).open(payload.getData().toByteArray());
      } else if (COMPRESSED.equals(encoding)) {
        plain = inflated(payload.getData().toByteArray());
      } else {
        return payload;
      }
      payload = parsed(plain);
    }
    return payload;
  }

  private static Payload parsed(byte[] plain) {
    try {
      return Payload.parseFrom(plain);
    } catch (InvalidProtocolBufferException error) {
      throw never("it does not contain a payload");
    }
  }

  private static byte[] inflated(byte[] data) {
    try (InflaterInputStream reader = new InflaterInputStream(new ByteArrayInputStream(data))) {
      byte[] plain = reader.readNBytes(MAX_INFLATED + 1);
      if (plain.length <= MAX_INFLATED) {
        return plain;
      }
    } catch (IOException error) {
      // The same as one that is too large.
    }
    throw never("its compressed data is invalid or too large");
  }

  /**
   * A payload that can never be opened. An activity is not retried on it. In a workflow it fails
   * the task and not the workflow, which goes on if an operator mends the ring.
   */
  private static RuntimeException never(String reason) {
    String message = "cannot decrypt a payload: " + reason;
    return WorkflowUnsafe.isWorkflowThread()
        ? new PayloadCodecException(message)
        : ApplicationFailure.newNonRetryableFailure(message, "PayloadError");
  }

  /** The keys cannot be fetched now. A later attempt can succeed. */
  private static RuntimeException unavailable(Throwable cause) {
    return new PayloadCodecException("no key ring: " + cause.getMessage(), cause);
  }

  /** The ring and its life: fresh, stale, last good. */
  private static final class Source {
    private final Callable<String> fetch;
    private final String namespace;
    private final Clock clock;
    private final ExecutorService fetching = Executors.newCachedThreadPool(Source::daemon);

    private Ring held;
    private Instant heldAt = Instant.EPOCH;
    private Instant tried = Instant.EPOCH; // the end of the latest fetch
    private Throwable failed; // how it ended
    private CompletableFuture<Void> flight; // the running fetch

    Source(Callable<String> fetch, String namespace, Clock clock) {
      this.fetch = fetch;
      this.namespace = namespace;
      this.clock = clock;
    }

    /** The ring; nobody waits for it if one is held. */
    Ring current(Duration patience) {
      synchronized (this) {
        if (usable()) {
          refreshIfDue();
          return held;
        }
        if (failed != null && age(tried).compareTo(COOLDOWN) < 0) {
          throw unavailable(failed);
        }
      }
      await(patience);
      synchronized (this) {
        if (usable()) {
          return held;
        }
        throw unavailable(failed == null ? new TimeoutException("a fetch is running") : failed);
      }
    }

    /** The key of an id. An unknown id fetches the ring, but not soon after another try. */
    Key opening(String id, Duration patience) {
      Key key = current(patience).keys.get(id);
      if (key != null) {
        return key;
      }
      if (cooled()) {
        await(patience);
      }
      synchronized (this) {
        key = held.keys.get(id);
        if (key != null) {
          return key;
        }
        if (failed != null) {
          throw unavailable(failed);
        }
        if (flight != null) {
          throw unavailable(new TimeoutException("a fetch is running"));
        }
        throw never("the key ring has no key of its id");
      }
    }

    void keepFresh() {
      ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(Source::daemon);
      timer.scheduleWithFixedDelay(this::refreshIfDue, 1, 1, TimeUnit.SECONDS);
    }

    private synchronized void refreshIfDue() {
      if (age(tried).compareTo(failed == null ? FRESH : COOLDOWN) >= 0) {
        refresh();
      }
    }

    private synchronized boolean cooled() {
      return age(tried).compareTo(COOLDOWN) >= 0;
    }

    private boolean usable() {
      return held != null && age(heldAt).compareTo(LAST_GOOD) < 0;
    }

    private Duration age(Instant then) {
      Duration age = Duration.between(then, clock.instant());
      return age.isNegative() ? FRESH : age; // negative: the clock was set back
    }

    private void await(Duration patience) {
      try {
        refresh().get(patience.toMillis(), TimeUnit.MILLISECONDS);
      } catch (InterruptedException error) {
        Thread.currentThread().interrupt();
      } catch (TimeoutException | ExecutionException error) {
        // What is held, or not, decides.
      }
    }

    private synchronized CompletableFuture<Void> refresh() {
      if (flight == null) {
        flight = CompletableFuture.runAsync(this::fetchNow, fetching);
      }
      return flight;
    }

    private void fetchNow() {
      Ring fetched = null;
      Throwable cause = null;
      try {
        fetched = new Ring(fetch.call(), namespace);
        fetched.sealing(clock.instant());
      } catch (Exception error) {
        cause = error;
      }
      synchronized (this) {
        tried = clock.instant();
        failed = cause;
        flight = null;
        if (cause == null) {
          held = fetched;
          heldAt = tried;
        }
      }
    }

    private static Thread daemon(Runnable work) {
      Thread thread = new Thread(work, "ring-codec");
      thread.setDaemon(true);
      return thread;
    }
  }

  private static final class Ring {
    final Map<String, Key> keys = new LinkedHashMap<>();

    Ring(String json, String namespace) {
      Set<String> seen = new HashSet<>();
      JsonNode entries = entries(json);
      for (int index = 0; index < entries.size(); index++) {
        try {
          Key key = new Key(entries.get(index), namespace);
          if (!seen.add(key.id)) {
            throw new IllegalArgumentException("another key has this id");
          }
          if (!key.disabled) {
            keys.put(key.id, key);
          }
        } catch (IllegalArgumentException error) {
          throw new IllegalArgumentException("keys[" + index + "]: " + error.getMessage());
        }
      }
    }

    private static JsonNode entries(String json) {
      try {
        if (json.getBytes(UTF_8).length <= MAX_RING_BYTES) {
          JsonNode keys = new ObjectMapper().readTree(json).path("keys");
          if (keys.isArray()) {
            return keys;
          }
        }
      } catch (JsonProcessingException error) {
        // Its message would quote the text.
      }
      throw new IllegalArgumentException("the text is not a key ring");
    }

    /** The key whose activation date is the latest that is past. */
    Key sealing(Instant now) {
      Key latest = null;
      for (Key key : keys.values()) {
        boolean later = latest == null || key.active.isAfter(latest.active);
        if (!key.active.isAfter(now) && later) {
          latest = key;
        }
      }
      if (latest == null) {
        throw unavailable(new IllegalStateException("the ring has no active key"));
      }
      return latest;
    }
  }

  private static final class Key {
    private static final String CIPHER = "AES/GCM/NoPadding";
    private static final SecureRandom RANDOM = new SecureRandom();

    final String id;
    final Instant active;
    final boolean disabled;
    private final SecretKeySpec secret;

    /** Takes what a ring says of a key; other members are ignored. */
    Key(JsonNode entry, String namespace) {
      id = text(entry, "id");
      if (id.codePointCount(0, id.length()) > 255
          || id.codePoints().anyMatch(Character::isISOControl)) {
        throw new IllegalArgumentException(
            "an id must have at most 255 characters, and no control characters");
      }
      active = date(text(entry, "activation_date"));
      JsonNode off = entry.path("disabled");
      if (!off.isMissingNode() && !off.isBoolean()) {
        throw new IllegalArgumentException("disabled must be true or false");
      }
      disabled = off.asBoolean(false);
      byte[] bytes = bytes(text(entry, "key"));
      if (entry.hasNonNull("derive")) {
        if (!entry.get("derive").asText().equals("namespace")) {
          throw new IllegalArgumentException("derive must be namespace");
        }
        bytes = derived(bytes, id, namespace);
      }
      secret = new SecretKeySpec(bytes, "AES");
    }

    private static String text(JsonNode entry, String name) {
      if (!entry.path(name).isTextual()) {
        throw new IllegalArgumentException(name + " must be a string");
      }
      return entry.get(name).textValue();
    }

    private static Instant date(String text) {
      try {
        return OffsetDateTime.parse(text).toInstant();
      } catch (DateTimeException error) {
        throw new IllegalArgumentException(
            "an activation_date must look like 2026-11-23T00:00:00Z");
      }
    }

    private static byte[] bytes(String text) {
      byte[] bytes = {};
      try {
        bytes = Base64.getDecoder().decode(text);
      } catch (IllegalArgumentException error) {
        // Its message would quote the text.
      }
      if (bytes.length != KEY_BYTES || !Base64.getEncoder().encodeToString(bytes).equals(text)) {
        throw new IllegalArgumentException("a key must have 32 bytes in base64");
      }
      return bytes;
    }

    Payload seal(Payload payload) {
      byte[] nonce = new byte[NONCE_BYTES];
      RANDOM.nextBytes(nonce);
      try {
        byte[] sealed = cipher(Cipher.ENCRYPT_MODE, nonce).doFinal(payload.toByteArray());
        return Payload.newBuilder()
            .putMetadata(ENCODING, ENCRYPTED)
            .putMetadata(KEY_ID, ByteString.copyFromUtf8(id))
            .setData(ByteString.copyFrom(nonce).concat(ByteString.copyFrom(sealed)))
            .addAllExternalPayloads(payload.getExternalPayloadsList())
            .build();
      } catch (GeneralSecurityException error) {
        throw new PayloadCodecException(error);
      }
    }

    byte[] open(byte[] data) {
      if (data.length < NONCE_BYTES + TAG_BYTES) {
        throw never("it is too short");
      }
      byte[] nonce = Arrays.copyOf(data, NONCE_BYTES);
      try {
        Cipher cipher = cipher(Cipher.DECRYPT_MODE, nonce);
        return cipher.doFinal(data, NONCE_BYTES, data.length - NONCE_BYTES);
      } catch (GeneralSecurityException error) {
        throw never("it was changed, or encrypted with another key of this id");
      }
    }

    private Cipher cipher(int mode, byte[] nonce) throws GeneralSecurityException {
      Cipher cipher = Cipher.getInstance(CIPHER);
      cipher.init(mode, secret, new GCMParameterSpec(TAG_BYTES * 8, nonce));
      return cipher;
    }
  }

  /** The key of one namespace: HKDF-SHA-256, whose one block is all that 32 bytes need. */
  static byte[] derived(byte[] secret, String id, String namespace) {
    byte[] info = ("temporal-codec/derive/v1\0" + id + "\0" + namespace).getBytes(UTF_8);
    byte[] extracted = hmac(new byte[KEY_BYTES], secret);
    byte[] block = Arrays.copyOf(info, info.length + 1);
    block[info.length] = 1;
    return hmac(extracted, block);
  }

  private static byte[] hmac(byte[] key, byte[] text) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(key, "HmacSHA256"));
      return mac.doFinal(text);
    } catch (GeneralSecurityException error) {
      throw new IllegalStateException(error);
    }
  }

  /** Reads the ring in a file. */
  public static Callable<String> fromFile(String path) {
    return () -> Files.readString(Path.of(path));
  }

  /** Reads the ring in a secret. Credentials and region are those of AWS's SDK. */
  public static Callable<String> fromSecretsManager(String name) {
    SecretsManagerClient secrets =
        SecretsManagerClient.builder()
            .overrideConfiguration(more -> more.apiCallTimeout(PATIENCE))
            .build();
    return () ->
        secrets
            .getSecretValue(asked -> asked.secretId(name).versionStage("AWSCURRENT"))
            .secretString();
  }

  private static final Pattern PLAIN_NAME = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._-]{0,254}");
  private static final Pattern UNSAFE = Pattern.compile("^[.-]|[^A-Za-z0-9._-]");

  /** The form of a namespace in the name of a file or a secret. */
  static String placeName(String namespace) {
    if (PLAIN_NAME.matcher(namespace).matches()) {
      return namespace;
    }
    byte[] bytes = namespace.getBytes(UTF_8);
    String escaped =
        UNSAFE
            .matcher(new String(bytes, ISO_8859_1))
            .replaceAll(found -> String.format("=%02X", (int) found.group().charAt(0)));
    return escaped.length() <= 200 ? escaped : "=sha256=" + hash(bytes);
  }

  private static String hash(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (GeneralSecurityException error) {
      throw new IllegalStateException(error);
    }
  }
}
