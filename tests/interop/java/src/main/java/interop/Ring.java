package interop;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.protobuf.util.JsonFormat;
import io.temporal.activity.ActivityInterface;
import io.temporal.activity.ActivityMethod;
import io.temporal.activity.ActivityOptions;
import io.temporal.api.common.v1.Payload;
import io.temporal.api.common.v1.Payloads;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowClientOptions;
import io.temporal.client.WorkflowOptions;
import io.temporal.failure.ApplicationFailure;
import io.temporal.serviceclient.WorkflowServiceStubs;
import io.temporal.serviceclient.WorkflowServiceStubsOptions;
import io.temporal.worker.Worker;
import io.temporal.worker.WorkerFactory;
import io.temporal.workflow.SignalMethod;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import ringcodec.RingCodec;

/**
 * Uses the ring reader of examples/java as the tests ask.
 *
 * <pre>
 * lines URI NAMESPACE                 answers requests, one JSON object a line: {"encode":
 *                                     PAYLOADS}, {"decode": PAYLOADS}, {"advance": SECONDS}
 * work URI ADDRESS QUEUE READY SPEED  works until it is killed; makes the file READY at first;
 *                                     the ring's clock is SPEED times as fast
 * start URI ADDRESS QUEUE TEXT        starts a workflow and prints its result
 * </pre>
 */
public final class Ring {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final PrintStream OUT = new PrintStream(System.out, true, UTF_8);

  public static void main(String[] arguments) throws Exception {
    switch (arguments[0]) {
      case "lines" -> lines(arguments[1], arguments[2]);
      case "work" -> work(arguments);
      default -> start(arguments);
    }
  }

  private static RingCodec open(String uri, String namespace, Supplier<Instant> now) {
    String name = uri.split(":", 2)[1];
    Callable<String> fetch =
        uri.startsWith("file:") ? RingCodec.fromFile(name) : RingCodec.fromSecretsManager(name);
    return new RingCodec(fetch, namespace, new Suggested(now));
  }

  private static void lines(String uri, String namespace) throws Exception {
    Duration[] ahead = {Duration.ZERO};
    RingCodec codec = open(uri, namespace, () -> Instant.now().plus(ahead[0]));
    BufferedReader read = new BufferedReader(new InputStreamReader(System.in, UTF_8));
    for (String line = read.readLine(); line != null; line = read.readLine()) {
      JsonNode asked = JSON.readTree(line);
      ahead[0] = ahead[0].plusMillis((long) (1000 * asked.path("advance").asDouble(0)));
      OUT.println(answer(codec, asked));
    }
    System.exit(0);
  }

  private static String answer(RingCodec codec, JsonNode asked) throws Exception {
    boolean encode = asked.has("encode");
    if (!encode && !asked.has("decode")) {
      return "{}";
    }
    Payloads.Builder payloads = Payloads.newBuilder();
    JsonFormat.parser().merge(asked.get(encode ? "encode" : "decode").toString(), payloads);
    try {
      List<Payload> sent = payloads.getPayloadsList();
      List<Payload> changed = encode ? codec.encode(sent) : codec.decode(sent);
      Payloads written = Payloads.newBuilder().addAllPayloads(changed).build();
      return JsonFormat.printer().omittingInsignificantWhitespace().print(written);
    } catch (RuntimeException error) {
      boolean permanent = error instanceof ApplicationFailure failure && failure.isNonRetryable();
      String kind = permanent ? "permanent" : "transient";
      return JSON.writeValueAsString(Map.of("fault", kind, "message", "" + error.getMessage()));
    }
  }

  private static WorkflowServiceStubs service(String address) {
    return WorkflowServiceStubs.newServiceStubs(
        WorkflowServiceStubsOptions.newBuilder().setTarget(address).build());
  }

  private static WorkflowClient client(WorkflowServiceStubs service, RingCodec codec) {
    return WorkflowClient.newInstance(
        service,
        WorkflowClientOptions.newBuilder().setDataConverter(codec.dataConverter()).build());
  }

  private static void work(String[] arguments) throws Exception {
    Instant began = Instant.now();
    long speed = Long.parseLong(arguments[5]);
    RingCodec codec =
        open(
            arguments[1],
            "default",
            () -> began.plus(Duration.between(began, Instant.now()).multipliedBy(speed)));
    WorkerFactory factory = WorkerFactory.newInstance(client(service(arguments[2]), codec));
    Worker worker = factory.newWorker(arguments[3]);
    worker.registerWorkflowImplementationTypes(GreetWorkflow.class);
    worker.registerActivitiesImplementations((Activities) Ring::compose);
    factory.start();
    Files.createFile(Path.of(arguments[4]));
  }

  private static void start(String[] arguments) {
    RingCodec codec = open(arguments[1], "default", Instant::now);
    WorkflowServiceStubs service = service(arguments[2]);
    WorkflowOptions options =
        WorkflowOptions.newBuilder()
            .setTaskQueue(arguments[3])
            .setWorkflowId(arguments[3])
            .build();
    Greet workflow = client(service, codec).newWorkflowStub(Greet.class, options);
    OUT.print(workflow.greet(arguments[4]));
    OUT.flush();
    System.exit(0);
  }

  private static String compose(String name) {
    if (name.equals("fail")) {
      throw ApplicationFailure.newNonRetryableFailure("canary", "Canary");
    }
    return "java-result of " + name;
  }

  @WorkflowInterface
  public interface Greet {
    @WorkflowMethod(name = "Greet")
    String greet(String name);

    @SignalMethod
    void note(String text);
  }

  @ActivityInterface
  public interface Activities {
    @ActivityMethod(name = "compose")
    String compose(String name);
  }

  public static final class GreetWorkflow implements Greet {
    private final Activities activities =
        Workflow.newActivityStub(
            Activities.class,
            ActivityOptions.newBuilder().setStartToCloseTimeout(Duration.ofSeconds(30)).build());
    private String signalled;

    @Override
    public String greet(String name) {
      String composed = activities.compose(name);
      Workflow.await(() -> signalled != null);
      return composed + ", " + signalled;
    }

    @Override
    public void note(String text) {
      signalled = text;
    }
  }

  /** A clock that shows what it is given. */
  private static final class Suggested extends Clock {
    private final Supplier<Instant> now;

    Suggested(Supplier<Instant> now) {
      this.now = now;
    }

    @Override
    public Instant instant() {
      return now.get();
    }

    @Override
    public ZoneId getZone() {
      return ZoneOffset.UTC;
    }

    @Override
    public Clock withZone(ZoneId zone) {
      return this;
    }
  }
}
