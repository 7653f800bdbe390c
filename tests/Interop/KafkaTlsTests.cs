using System.Text.RegularExpressions;
using Sluice.BlackBox;
using Sluice.TestKit.Tls;

namespace Sluice.Interop;

/// <summary>Kafka over TLS, where records cannot go from file to socket without passing through the broker.</summary>
public sealed class KafkaTlsTests : IDisposable
{
    private readonly TestCertificates _certificates = new();

    public void Dispose() => _certificates.Dispose();

    [Fact]
    public async Task Records_from_memory_and_from_files_reach_a_client_over_TLS()
    {
        await using BrokerProcess broker = await BrokerProcess.StartAsync(new Dictionary<string, string>
        {
            ["Sluice__Kafka__Tls__CertificateFile"] = _certificates.CertificateFile,
            ["Sluice__Kafka__Tls__KeyFile"] = _certificates.KeyFile,
            ["Sluice__Kafka__Tls__Address"] = "127.0.0.1",
            ["Sluice__Kafka__Tls__Port"] = "0",
        });
        string input = string.Concat(Enumerable.Range(0, 20_000).Select(static i => $"{i} {new string((char)('a' + (i % 26)), 500)}\n"));
        await KcatAsync(broker, input, "-P", "-t", "secret");
        Assert.Equal(input, await KcatAsync(broker, null, "-C", "-t", "secret", "-e", "-q"));

        // After a restart all lies in files.
        await broker.StopAsync();
        await broker.RestartAsync();
        Assert.Equal(input, await KcatAsync(broker, null, "-C", "-t", "secret", "-e", "-q"));
        Assert.Empty(broker.ErrorLines);
    }

    [Fact]
    public async Task Clients_of_each_listener_are_told_the_name_and_port_that_are_for_them()
    {
        await using BrokerProcess broker = await BrokerProcess.StartAsync(new Dictionary<string, string>
        {
            ["Sluice__Kafka__Tls__CertificateFile"] = _certificates.CertificateFile,
            ["Sluice__Kafka__Tls__KeyFile"] = _certificates.KeyFile,
            ["Sluice__Kafka__Tls__Address"] = "127.0.0.1",
            ["Sluice__Kafka__Tls__Port"] = "0",
            ["Sluice__Kafka__Tls__AdvertisedHost"] = "localhost",
            ["Sluice__Kafka__Tls__AdvertisedPort"] = "19093",
            ["Sluice__Kafka__AdvertisedHost"] = "plain.example.org",
            ["Sluice__Kafka__AdvertisedPort"] = "19092",
        });
        Assert.Contains("broker 1 at localhost:19093", await KcatAsync(broker, null, "-L"), StringComparison.Ordinal);
        Assert.Contains("broker 1 at plain.example.org:19092", await ClientProgram.RunAsync("kcat", ["-b", $"127.0.0.1:{broker.KafkaPort}", "-L"]), StringComparison.Ordinal);
        Assert.DoesNotContain("those that check names will not", broker.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_operator_is_told_of_a_certificate_that_clients_will_not_accept_and_of_those_that_do_not()
    {
        await using BrokerProcess broker = await BrokerProcess.StartAsync(new Dictionary<string, string>
        {
            ["Sluice__Kafka__Tls__CertificateFile"] = _certificates.CertificateFile,
            ["Sluice__Kafka__Tls__KeyFile"] = _certificates.KeyFile,
            ["Sluice__Kafka__Tls__Address"] = "127.0.0.1",
            ["Sluice__Kafka__Tls__Port"] = "0",
        });
        Assert.Contains("Kafka:AdvertisedHost is empty, so clients are told to connect to the IP address", broker.Log, StringComparison.Ordinal);
        string port = TlsPortOf(broker);
        await ClientProgram.RunForCodeAsync("kcat", ["-b", $"127.0.0.1:{port}", "-L", "-m", "2"]);
        await broker.LoggedAsync("on listener kafkas failed: the client does not speak TLS, but Kafka's protocol");
        await ClientProgram.RunForCodeAsync("kcat", ["-b", $"127.0.0.1:{port}", "-X", "security.protocol=ssl", "-L", "-m", "2"]);
        await broker.LoggedAsync("on listener kafkas failed: the client does not ", " the broker's certificate");
        await ClientProgram.RunForCodeAsync("kcat", ["-b", $"127.0.0.1:{broker.KafkaPort}", "-X", "security.protocol=ssl", "-L", "-m", "2"]);
        await broker.LoggedAsync("is closed: it speaks TLS, and this port is the one without");
    }

    private static string TlsPortOf(BrokerProcess broker) => Regex.Matches(broker.Log, "kafkas[^\n]*127\\.0\\.0\\.1:([0-9]+)")[^1].Groups[1].Value;

    private Task<string> KcatAsync(BrokerProcess broker, string? input, params string[] arguments)
    {
        string port = TlsPortOf(broker);
        string[] tls = ["-b", $"127.0.0.1:{port}", "-X", "security.protocol=ssl", "-X", $"ssl.ca.location={_certificates.AuthorityFile}", "-X", "ssl.endpoint.identification.algorithm=none"];
        return ClientProgram.RunAsync("kcat", [.. tls, .. arguments], input: input);
    }
}
