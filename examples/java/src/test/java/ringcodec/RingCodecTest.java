package ringcodec;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.protobuf.util.JsonFormat;
import io.temporal.api.common.v1.Payload;
import io.temporal.api.common.v1.Payloads;
import io.temporal.payload.codec.PayloadCodecException;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;

class RingCodecTest {
  private static final Path VECTORS =
      Path.of(System.getProperty("vectors", "../../tests/vectors"));
  private static final String KEY = Base64.getEncoder().encodeToString(new byte[32]);

  private static RingCodec codec(String keys) {
    String ring = "{\"keys\": [" + keys + "]}";
    return new RingCodec(() -> ring, "orders", Clock.systemUTC());
  }

  private static String key(String id, String date, String more) {
    return String.format(
        "{\"id\": \"%s\", \"key\": \"%s\", \"activation_date\": \"%s\"%s}", id, KEY, date, more);
  }

  /** The key of each namespace is that of the other languages. */
  @Test
  void vectors() throws IOException {
    int seen = 0;
    try (DirectoryStream<Path> files = Files.newDirectoryStream(VECTORS, "derive-*.json")) {
      for (Path file : files) {
        JsonNode vector = new ObjectMapper().readTree(file.toFile());
        String id = vector.get("id").asText();
        String namespace = vector.get("namespace").asText();
        assertArrayEquals(
            vector.get("derived").binaryValue(),
            RingCodec.derived(vector.get("key").binaryValue(), id, namespace));
        String ring = vector.get("ring").toString();
        RingCodec codec = new RingCodec(() -> ring, namespace, Clock.systemUTC());
        assertEquals(payloads(vector, "expect"), codec.decode(payloads(vector, "request")));
        seen++;
      }
    }
    assertTrue(seen > 0);
  }

  private static List<Payload> payloads(JsonNode vector, String name) throws IOException {
    Payloads.Builder read = Payloads.newBuilder();
    JsonFormat.parser().merge(vector.get(name).toString(), read);
    return read.getPayloadsList();
  }

  /** The latest date that is past seals; a disabled key and one of the future do not. */
  @Test
  void active() {
    RingCodec codec =
        codec(
            String.join(
                ",",
                key("old", "2024-01-01T00:00:00Z", ""),
                key("new", "2025-01-01T00:00:00+01:00", ", \"unknown\": {}"),
                key("off", "2025-06-01T00:00:00Z", ", \"disabled\": true"),
                key("future", "2999-01-01T00:00:00Z", "")));
    Payload sealed = codec.encode(List.of(Payload.getDefaultInstance())).get(0);
    assertEquals("new", sealed.getMetadataOrThrow("encryption-key-id").toStringUtf8());
  }

  /** A ring that cannot be trusted is no ring. */
  @Test
  void invalid() {
    String date = "2024-01-01T00:00:00Z";
    for (String keys :
        List.of(
            "",
            key("a", date, "") + "," + key("a", date, ""),
            key("a", "2024-01-01", ""),
            key("a", date, ", \"derive\": \"other\""),
            key("a", date, ", \"disabled\": 1"),
            key("a", date, "").replace(KEY, "AAAA"))) {
      assertThrows(PayloadCodecException.class, () -> codec(keys), keys);
    }
  }

  /** A namespace's form in the name of a file or a secret. */
  @Test
  void places() {
    assertEquals("orders-prod.a1b2c", RingCodec.placeName("orders-prod.a1b2c"));
    assertEquals("=2E.=2Forders", RingCodec.placeName("../orders"));
    assertEquals("gr=C3=B6=3D", RingCodec.placeName("grö="));
    assertEquals(72, RingCodec.placeName("ö".repeat(100)).length());
  }
}
