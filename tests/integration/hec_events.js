// What Splunk's own client posts, when it is given the parts of the events on standard input, a JSON array: one line each.
const http = require("node:http");
const { Logger } = require("splunk-logging");

const events = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const server = http.createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    console.log(body);
    response.end(JSON.stringify({ text: "Success", code: 0 }));
  });
});

server.listen(0, "127.0.0.1", async () => {
  const logger = new Logger({ token: "none", url: `http://127.0.0.1:${server.address().port}` });
  logger.eventFormatter = (message) => message;
  for (const { event, ...metadata } of events)
    await new Promise((done, failed) => logger.send({ message: event, metadata }, (error) => (error ? failed(error) : done())));
  server.close();
  server.closeAllConnections();
});
