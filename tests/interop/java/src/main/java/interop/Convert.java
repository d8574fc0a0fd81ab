package interop;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.protobuf.util.JsonFormat;
import io.temporal.api.common.v1.Payload;
import io.temporal.api.common.v1.Payloads;
import java.io.IOException;
import java.util.List;

/** Reads payloads as JSON from stdin, decodes or encodes them, and writes them to stdout. */
public final class Convert {
  public static void main(String[] arguments) throws IOException {
    Payloads.Builder read = Payloads.newBuilder();
    JsonFormat.parser().merge(new String(System.in.readAllBytes(), UTF_8), read);
    SealedCodec codec = new SealedCodec();
    List<Payload> changed =
        arguments[0].equals("encode")
            ? codec.encode(read.getPayloadsList())
            : codec.decode(read.getPayloadsList());
    String text = JsonFormat.printer().print(Payloads.newBuilder().addAllPayloads(changed));
    System.out.write(text.getBytes(UTF_8));
    System.out.flush();
  }
}
