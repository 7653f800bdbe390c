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

    private Task<string> KcatAsync(BrokerProcess broker, string? input, params string[] arguments)
    {
        string port = Regex.Matches(broker.Log, "kafkas[^\n]*127\\.0\\.0\\.1:([0-9]+)")[^1].Groups[1].Value;
        string[] tls = ["-b", $"127.0.0.1:{port}", "-X", "security.protocol=ssl", "-X", $"ssl.ca.location={_certificates.AuthorityFile}", "-X", "ssl.endpoint.identification.algorithm=none"];
        return ClientProgram.RunAsync("kcat", [.. tls, .. arguments], input: input);
    }
}
