import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** One node of OpenSearch on loopback, with what lies in Maven's repository: its server, and HTTP by Netty. */
class OneNode extends Node {
    private OneNode(Environment environment) {
        super(environment, List.of(Netty4Plugin.class), false);
    }

    /** The folder for its data, the ports for HTTP and for other nodes, and then settings: `name=value`. */
    public static void main(String[] arguments) throws Exception {
        Settings.Builder settings = Settings.builder()
            .put("path.home", arguments[0])
            .put("cluster.name", "peer")
            .put("node.name", "one")
            .put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1")
            .put("http.port", arguments[1])
            .put("transport.port", arguments[2])
            .put("transport.type", "netty4")
            .put("http.type", "netty4");
        for (String each : List.of(arguments).subList(3, arguments.length)) {
            settings.put(each.substring(0, each.indexOf('=')), each.substring(each.indexOf('=') + 1));
        }
        new OneNode(new Environment(settings.build(), Path.of(arguments[0]))).start();
        new CountDownLatch(1).await();
    }
}
