using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Sluice.Base.Scheduling;
using Sluice.Hosting;
using Sluice.Hosting.Configuration;
using Sluice.LoadGenerator.Client;
using Sluice.TestKit.Disk;
using Xunit;

namespace Sluice.Admin.Tests;

/// <summary>A whole broker in this process, on a disk in memory, with real sockets on the loopback address; and a client of its management API.</summary>
internal sealed class AdminHost : IAsyncDisposable
{
    private readonly HttpClient _http = new();

    private readonly BrokerLog _log;

    private AdminHost(SluiceBroker broker, FaultDisk disk, BrokerLog log)
    {
        _log = log;
        Disk = disk;
        Broker = broker;
        AdminPort = broker.Listeners.Single(listener => listener.Name == "http").EndPoint.Port;
        AmqpPort = broker.Listeners.Single(listener => listener.Name == "amqp").EndPoint.Port;
        KafkaPort = broker.Listeners.FirstOrDefault(listener => listener.Name == "kafka")?.EndPoint.Port ?? 0;
        _http.BaseAddress = new Uri($"http://127.0.0.1:{AdminPort}");
        LogIn("guest", "guest");
    }

    public SluiceBroker Broker { get; }

    public FaultDisk Disk { get; }

    /// <summary>What the broker has logged, from information on.</summary>
    public IReadOnlyCollection<string> Log => _log.Lines;

    /// <summary>Another after each change that was kept of what is declared and set.</summary>
    public long Revision => Broker.Broker.Store.Metadata.Revision;

    public int AdminPort { get; }

    public int AmqpPort { get; }

    /// <summary>0 if there is no such listener.</summary>
    public int KafkaPort { get; }

    public AmqpClientOptions Amqp => new() { Port = AmqpPort, TimeoutMs = 20_000 };

    public static async Task<AdminHost> StartAsync(bool withKafka = false)
    {
        SluiceSettings settings = new()
        {
            Amqp = new AmqpSettings { Address = "127.0.0.1", Port = 0 },
            Admin = new AdminSettings { Address = "127.0.0.1", Port = 0 },
            Kafka = new KafkaSettings { Address = withKafka ? "127.0.0.1" : "", Port = 0, GroupInitialRebalanceDelayMs = 0 },
            Memory = new MemorySettings { Watermark = MemoryLimit.OfFraction(1) },
            Disk = new DiskSettings { FreeBytesMin = 0 },
            StopTimeoutSeconds = 2,
        };
        BrokerLog log = new();
        FaultDisk disk = new(1);
        SluiceEnvironment environment = new(disk, new SystemScheduler(), TimeProvider.System, new Random(1), log);
        return new AdminHost(await SluiceBroker.StartAsync(settings, environment), disk, log);
    }

    public void LogIn(string user, string password) =>
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}")));

    public void LogOut() => _http.DefaultRequestHeaders.Authorization = null;

    /// <summary>Sends a request and checks the status; the answer's JSON, an empty object if it has none.</summary>
    public async Task<JsonNode> AskAsync(HttpMethod method, string path, HttpStatusCode expected, string? body = null)
    {
        using HttpResponseMessage answer = await SendAsync(method, path, body);
        string text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(answer.StatusCode == expected, $"{method} {path}: {(int)answer.StatusCode} instead of {(int)expected}: {text}");
        return text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!;
    }

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? body = null)
    {
        using HttpRequestMessage request = new(method, path) { Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json") };
        return await _http.SendAsync(request, TestContext.Current.CancellationToken);
    }

    public Task<JsonNode> GetAsync(string path) => AskAsync(HttpMethod.Get, path, HttpStatusCode.OK);

    public Task<JsonNode> PutAsync(string path, string body, HttpStatusCode expected = HttpStatusCode.Created) => AskAsync(HttpMethod.Put, path, expected, body);

    public Task<JsonNode> PostAsync(string path, string body, HttpStatusCode expected = HttpStatusCode.OK) => AskAsync(HttpMethod.Post, path, expected, body);

    public Task<JsonNode> DeleteAsync(string path, HttpStatusCode expected = HttpStatusCode.NoContent) => AskAsync(HttpMethod.Delete, path, expected);

    /// <summary>Asks again until the answer is as it should be.</summary>
    public async Task<JsonNode> EventuallyAsync(string path, Func<JsonNode, bool> condition)
    {
        long deadline = Environment.TickCount64 + 20_000;
        while (true)
        {
            JsonNode answer = await GetAsync(path);
            if (condition(answer))
            {
                return answer;
            }

            Assert.True(Environment.TickCount64 < deadline, $"{path} did not become as expected: {answer}");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await Broker.DisposeAsync();
        Assert.True(_log.Errors.Count == 0, $"The broker logged errors: {string.Join('\n', _log.Errors)}");
    }
}
