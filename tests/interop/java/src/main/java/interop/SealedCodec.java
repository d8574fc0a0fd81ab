package interop;

import com.google.protobuf.ByteString;
import io.temporal.api.common.v1.Payload;
import io.temporal.payload.codec.PayloadCodec;
import io.temporal.payload.codec.PayloadCodecException;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/** A codec in the format of docs/format.md, written against the Java SDK. */
final class SealedCodec implements PayloadCodec {
  // The key that Temporal's samples use, which is no secret.
  private static final ByteString KEY_ID = ByteString.copyFromUtf8("test-key-id");
  private static final SecretKeySpec SECRET =
      new SecretKeySpec("test-key-test-key-test-key-test!".getBytes(), "AES");

  private static final String ENCODING = "encoding";
  private static final String KEY_METADATA = "encryption-key-id";
  private static final ByteString ENCRYPTED = ByteString.copyFromUtf8("binary/encrypted");
  private static final String CIPHER = "AES/GCM/NoPadding";
  private static final int NONCE_BYTES = 12;
  private static final int TAG_BITS = 128;

  private final SecureRandom random = new SecureRandom();

  @Override
  public List<Payload> encode(List<Payload> payloads) {
    return each(payloads, this::seal);
  }

  @Override
  public List<Payload> decode(List<Payload> payloads) {
    return each(payloads, this::open);
  }

  private interface Change {
    Payload of(Payload payload) throws Exception;
  }

  private static List<Payload> each(List<Payload> payloads, Change change) {
    List<Payload> changed = new ArrayList<>();
    for (Payload payload : payloads) {
      try {
        changed.add(change.of(payload));
      } catch (Exception error) {
        throw new PayloadCodecException(error);
      }
    }
    return changed;
  }

  private Payload seal(Payload payload) throws GeneralSecurityException {
    byte[] nonce = new byte[NONCE_BYTES];
    random.nextBytes(nonce);
    byte[] sealed = cipher(Cipher.ENCRYPT_MODE, nonce).doFinal(payload.toByteArray());
    return Payload.newBuilder()
        .putMetadata(ENCODING, ENCRYPTED)
        .putMetadata("encryption-cipher", ByteString.copyFromUtf8(CIPHER))
        .putMetadata(KEY_METADATA, KEY_ID)
        .setData(ByteString.copyFrom(nonce).concat(ByteString.copyFrom(sealed)))
        .build();
  }

  private Payload open(Payload payload) throws Exception {
    if (!ENCRYPTED.equals(payload.getMetadataMap().get(ENCODING))) {
      return payload;
    }
    if (!KEY_ID.equals(payload.getMetadataMap().get(KEY_METADATA))) {
      throw new IllegalArgumentException("another key");
    }
    byte[] nonce = payload.getData().substring(0, NONCE_BYTES).toByteArray();
    byte[] sealed = payload.getData().substring(NONCE_BYTES).toByteArray();
    return Payload.parseFrom(cipher(Cipher.DECRYPT_MODE, nonce).doFinal(sealed));
  }

  private static Cipher cipher(int mode, byte[] nonce) throws GeneralSecurityException {
    Cipher cipher = Cipher.getInstance(CIPHER);
    cipher.init(mode, SECRET, new GCMParameterSpec(TAG_BITS, nonce));
    return cipher;
  }
}
