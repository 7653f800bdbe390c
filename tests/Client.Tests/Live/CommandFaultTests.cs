using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Sluice.BlackBox;
using Sluice.Client.Consuming;
using Sluice.Client.Tests.Support;
using Sluice.TestKit.Tls;

namespace Sluice.Client.Tests.Live;

/// <summary>The verbs that publish and consume, when input pauses, a broker dies, a group takes its time, or TLS does not fit: with brokers of their own.</summary>
public sealed class CommandFaultTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Lines_are_sent_as_they_come(bool kafka)
    {
        await using BrokerProcess broker = await BrokerProcess.StartAsync();
        await SluiceProgram.OkAsync("", "queue", "declare", "lines", "--admin-port", $"{broker.AdminPort}");
        using SluiceProgram publish = Publish(broker, kafka);
        await publish.WriteLineAsync("a");
        await HasAsync(broker, kafka, 1);
        await publish.WriteLineAsync("b");
        await HasAsync(broker, kafka, 2);
        (int code, string output, _) = await publish.EndAsync();
        Assert.Equal((0, kafka ? "2 published and acknowledged.\n" : "2 published and confirmed.\n"), (code, output));
    }

    [Fact]
    public async Task Who_publishes_lines_is_told_how_many_were_confirmed_when_the_broker_dies()
    {
        await using BrokerProcess broker = await BrokerProcess.StartAsync();
        await SluiceProgram.OkAsync("", "queue", "declare", "lines", "--admin-port", $"{broker.AdminPort}");
        using SluiceProgram publish = Publish(broker, kafka: false);
        await publish.WriteLineAsync("a");
        await publish.WriteLineAsync("b");
        await HasAsync(broker, false, 2);
        await broker.KillAsync();

        // Its input is still open. A queue has a message before it is confirmed.
        (int code, _, string error) = await publish.ExitAsync();
        Assert.Equal(1, code);
        Assert.Matches("[0-2] of 2 messages were confirmed; whether the broker has the others is not known", error);
    }

    [Fact]
    public async Task Who_publishes_lines_by_Kafka_is_told_that_the_broker_is_tried_again()
    {
        await using BrokerProcess broker = await BrokerProcess.StartAsync();
        using SluiceProgram publish = Publish(broker, kafka: true);
        await publish.WriteLineAsync("a");
        await HasAsync(broker, true, 1);
        await broker.KillAsync();
        await publish.WriteLineAsync("b");
        await UntilAsync(() => Task.FromResult(publish.Error.Contains("could not be reached: Connection refused. Trying again.", StringComparison.Ordinal)), () => publish.Error);
        await broker.RestartAsync();
        (int code, string output, _) = await publish.EndAsync();
        Assert.Equal((0, "2 published and acknowledged.\n"), (code, output));
    }

    [Fact]
    public async Task The_wait_for_records_begins_when_the_group_has_given_partitions()
    {
        await using BrokerProcess broker = await BrokerProcess.StartAsync(new Dictionary<string, string> { ["Sluice__Kafka__GroupInitialRebalanceDelayMs"] = "3000" });
        string[] server = ["--bootstrap-server", $"127.0.0.1:{broker.KafkaPort}"];
        await SluiceProgram.OkAsync("1\n2\n", ["publish", "--kafka", "waited", "--lines", .. server]);
        Assert.Equal("1\n2\n", await SluiceProgram.OkAsync("", ["consume", "--kafka", "waited", "--group", "new", "--offset", "first", "--wait", "1", .. server]));
    }

    [Fact]
    public async Task A_group_that_takes_its_time_and_one_whose_partitions_are_others_are_told()
    {
        await using BrokerProcess broker = await BrokerProcess.StartAsync(new Dictionary<string, string> { ["Sluice__Kafka__GroupInitialRebalanceDelayMs"] = "0" });
        string server = $"127.0.0.1:{broker.KafkaPort}";
        await SluiceProgram.OkAsync("", "publish", "--kafka", "shared", "x", "--bootstrap-server", server);

        // A member that does not consume any more keeps the group from distributing anew.
        var idle = new KafkaConsumer<byte[]?, byte[]?>(new ConsumerOptions { BootstrapServers = server, GroupId = "g", AutoOffsetReset = AutoOffsetReset.Earliest, EnableAutoCommit = false });
        await using (idle.ConfigureAwait(false))
        {
            idle.Subscribe("shared");
            Assert.NotNull(await idle.ConsumeAsync(s_patience));
            using SluiceProgram consume = SluiceProgram.Start("consume", "--kafka", "shared", "--group", "g", "--offset", "first", "--wait", "2", "--bootstrap-server", server);
            await UntilAsync(() => Task.FromResult(consume.Error == "sluice: The group 'g' has not given this member its partitions yet. Waiting for it.\n"), () => consume.Error);
            Assert.False(consume.HasExited);

            // Of the one partition one of them has none; the members' ids decide.
            (int code, string output, string error) = (0, "", "");
            Task<(int Code, string Output, string Error)> ended = consume.ExitAsync();
            while (!ended.IsCompleted)
            {
                await idle.ConsumeAsync(TimeSpan.FromMilliseconds(50));
            }

            (code, output, error) = await ended;
            Assert.Equal(0, code);
            Assert.True(output == "x\n" || error.Contains("The group 'g' has no partition for this member: others read them all.", StringComparison.Ordinal), $"{output}{error}");
        }
    }

    [Fact]
    public async Task A_certificate_of_another_name_is_told_at_once_and_what_TLS_is_told_to_do_fits_it()
    {
        // The broker advertises its address, the certificate has a name only.
        using var certificates = new TestCertificates();
        await using BrokerProcess broker = await SecureBroker.StartAsync(certificates, mustLogIn: false);
        string[] secure = ["--bootstrap-server", $"localhost:{SecureBroker.TlsPort(broker)}", "--ca-file", certificates.AuthorityFile];
        await SluiceProgram.OkAsync("", "publish", "--kafka", "named", "x", "--bootstrap-server", $"127.0.0.1:{broker.KafkaPort}");
        foreach (string[] verb in (string[][])[["publish", "--kafka", "named", "x"], ["consume", "--kafka", "named", "--count", "1"], ["consume", "--kafka", "named", "--group", "g", "--count", "1"], ["bench", "kafka", "--topic", "named", "--records", "10"]])
        {
            (int code, _, string error) = await SluiceProgram.RunAsync("", [.. verb, .. secure]);
            Assert.Equal(1, code);
            Assert.Contains("was reached, but not by TLS: The remote certificate is invalid", error);
            Assert.Contains("RemoteCertificateNameMismatch", error);
            Assert.Contains("Kafka:AdvertisedHost", error);
            Assert.DoesNotContain("--user", error);
            Assert.DoesNotContain("not acknowledged within", error);
        }

        string[] plain = ["publish", "--kafka", "named", "x", "--ca-file", certificates.AuthorityFile, "--bootstrap-server", $"127.0.0.1:{broker.KafkaPort}"];
        (_, _, string hint) = await SluiceProgram.RunAsync("", plain);
        Assert.Contains("it may be a listener without TLS. A listener without TLS is reached without --tls and --ca-file", hint);
        Assert.DoesNotContain("--user", hint);
        (_, _, hint) = await SluiceProgram.RunAsync("", "publish", "--kafka", "named", "x", secure[0], secure[1]);
        Assert.Contains("it may be a listener for TLS.", hint);
        Assert.Contains("If it is a listener for TLS, give --ca-file or --tls.", hint);
    }

    private static SluiceProgram Publish(BrokerProcess broker, bool kafka) => kafka
        ? SluiceProgram.Start("publish", "--kafka", "lines-topic", "--lines", "--bootstrap-server", $"127.0.0.1:{broker.KafkaPort}")
        : SluiceProgram.Start("publish", "lines", "--lines", "--port", $"{broker.Port}");

    /// <summary>Waits until the broker has so many messages or records.</summary>
    private static async Task HasAsync(BrokerProcess broker, bool kafka, int count)
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{broker.AdminPort}") };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("guest:guest")));
        string last = "";
        await UntilAsync(
            async () =>
            {
                using HttpResponseMessage answer = await http.GetAsync(kafka ? "/api/topics/%2F/lines-topic" : "/api/queues/%2F/lines");
                last = await answer.Content.ReadAsStringAsync();
                return JsonNode.Parse(last)?[kafka ? "messages" : "messages_ready"]?.GetValue<int>() == count;
            },
            () => last);
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, Func<string> otherwise)
    {
        for (long deadline = Environment.TickCount64 + (long)s_patience.TotalMilliseconds; !await condition(); await Task.Delay(20))
        {
            Assert.True(Environment.TickCount64 < deadline, otherwise());
        }
    }
}
