package ringcodec;

import io.temporal.activity.ActivityInterface;
import io.temporal.activity.ActivityOptions;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowClientOptions;
import io.temporal.client.WorkflowOptions;
import io.temporal.serviceclient.WorkflowServiceStubs;
import io.temporal.serviceclient.WorkflowServiceStubsOptions;
import io.temporal.worker.Worker;
import io.temporal.worker.WorkerFactory;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;

/**
 * A worker and a starter whose payloads are encrypted with a key ring.
 *
 * <pre>
 * Greet work RING          works until it is interrupted
 * Greet start RING NAME    starts a workflow and prints its result
 * </pre>
 */
public final class Greet {
  private static final String QUEUE = "greet-java";

  /** A workflow with one activity. */
  @WorkflowInterface
  public interface Greeting {
    @WorkflowMethod(name = "Greet")
    String greet(String name);
  }

  /** Its activities. */
  @ActivityInterface
  public interface Activities {
    String compose(String name);
  }

  /** See {@link Greeting}. */
  public static final class GreetingWorkflow implements Greeting {
    private final Activities activities =
        Workflow.newActivityStub(
            Activities.class,
            ActivityOptions.newBuilder().setStartToCloseTimeout(Duration.ofMinutes(1)).build());

    @Override
    public String greet(String name) {
      return activities.compose(name);
    }
  }

  public static void main(String[] arguments) {
    if (arguments.length < 2) {
      System.err.println("usage: Greet work RING | Greet start RING NAME");
      System.exit(2);
    }
    RingCodec codec = RingCodec.open(arguments[1], "default");
    // TEMPORAL_ADDRESS is 127.0.0.1:7233 by default.
    String address = System.getenv().getOrDefault("TEMPORAL_ADDRESS", "127.0.0.1:7233");
    WorkflowServiceStubs service =
        WorkflowServiceStubs.newServiceStubs(
            WorkflowServiceStubsOptions.newBuilder().setTarget(address).build());
    WorkflowClient client =
        WorkflowClient.newInstance(
            service,
            WorkflowClientOptions.newBuilder().setDataConverter(codec.dataConverter()).build());
    if (arguments[0].equals("start")) {
      start(client, arguments[2]);
      service.shutdown();
    } else {
      work(client);
    }
  }

  private static void work(WorkflowClient client) {
    WorkerFactory factory = WorkerFactory.newInstance(client);
    Worker worker = factory.newWorker(QUEUE);
    worker.registerWorkflowImplementationTypes(GreetingWorkflow.class);
    worker.registerActivitiesImplementations((Activities) name -> "Hello, " + name + "!");
    factory.start();
  }

  private static void start(WorkflowClient client, String name) {
    WorkflowOptions options =
        WorkflowOptions.newBuilder().setWorkflowId("greet-java").setTaskQueue(QUEUE).build();
    System.out.println(client.newWorkflowStub(Greeting.class, options).greet(name));
  }
}
