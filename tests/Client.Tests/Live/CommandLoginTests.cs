using System.Text.Json.Nodes;
using Sluice.Client.Tests.Support;
using Sluice.TestKit.Tls;

namespace Sluice.Client.Tests.Live;

/// <summary>The verbs of the sluice command that use the client, with TLS and logins.</summary>
public sealed class CommandLoginTests(SecureBroker broker) : IClassFixture<SecureBroker>, IDisposable
{
    private readonly string _tokenFile = Path.GetTempFileName();

    public void Dispose() => File.Delete(_tokenFile);

    [Theory]
    [InlineData("PLAIN", true)]
    [InlineData("scram-sha-256", true)]
    [InlineData("SCRAM-SHA-512", false)]
    [InlineData(null, false)]
    [InlineData("OAUTHBEARER", true)]
    public async Task Every_verb_takes_the_same_options(string? mechanism, bool tls)
    {
        string[] access = Access(mechanism, tls);
        string topic = $"login-{mechanism ?? "default"}";
        Assert.Equal("1 published and acknowledged.\n", await SluiceProgram.OkAsync("", ["publish", "--kafka", topic, "hello", .. access]));
        Assert.Equal("hello\n", await SluiceProgram.OkAsync("", ["consume", "--kafka", topic, "--offset", "first", "--count", "1", .. access]));
        Assert.Equal("hello\n", await SluiceProgram.OkAsync("", ["consume", "--kafka", topic, "--group", topic, "--offset", "first", "--count", "1", .. access]));
        JsonNode load = JsonNode.Parse(await SluiceProgram.OkAsync("", ["bench", "kafka", "--topic", topic, "--records", "1000", "--consumers", "1", "--json", .. access]))!;
        Assert.Equal((1000, 1000), (load["produced"]!.GetValue<int>(), load["consumed"]!.GetValue<int>()));
    }

    [Theory]
    [InlineData("publish", "--kafka", "t", "x")]
    [InlineData("consume", "--kafka", "t", "--count", "1")]
    [InlineData("consume", "--kafka", "t", "--group", "g", "--count", "1")]
    [InlineData("bench", "kafka", "--records", "1")]
    public async Task A_wrong_password_is_told_in_one_sentence(params string[] verb)
    {
        foreach (string mechanism in (string[])["PLAIN", "SCRAM-SHA-256"])
        {
            (int code, string output, string error) = await SluiceProgram.RunAsync("", [.. verb, "--bootstrap-server", broker.TlsAddress, "--ca-file", broker.AuthorityFile, "--sasl", mechanism, "--user", "guest", "--password", "wrong"]);
            Assert.Equal((1, ""), (code, output));
            Assert.StartsWith($"sluice: Logging in to {broker.TlsAddress} as 'guest' by {mechanism}: the broker answered SaslAuthenticationFailed", error, StringComparison.Ordinal);
            Assert.Single(error.TrimEnd().Split('\n'));
        }
    }

    [Fact]
    public async Task What_keeps_a_client_out_is_told()
    {
        const string Trust = "must be of an authority that the system trusts or that the file of --ca-file has", Token = "Give a token that is good with --token-file";
        using var stranger = new TestCertificates();
        await RefusedAsync("was reached, but not by TLS: The remote certificate is invalid", Trust, "--bootstrap-server", broker.TlsAddress, "--tls");
        await RefusedAsync("was reached, but not by TLS: The remote certificate is invalid", Trust, "--bootstrap-server", broker.TlsAddress, "--ca-file", stranger.AuthorityFile);
        await RefusedAsync("has no certificate in PEM form", "--ca-file", "--bootstrap-server", broker.TlsAddress, "--ca-file", _tokenFile);
        await RefusedAsync("as the owner of the token by OAUTHBEARER: there is no token: Could not find file", Token, "--bootstrap-server", broker.Address, "--token-file", "nosuch");
        await File.WriteAllTextAsync(_tokenFile, SecureBroker.Token("guest", seconds: -60));
        await RefusedAsync("as the owner of the token by OAUTHBEARER: the broker answered SaslAuthenticationFailed", Token, "--bootstrap-server", broker.Address, "--token-file", _tokenFile);

        async Task RefusedAsync(string expected, string advice, params string[] access)
        {
            (int code, _, string error) = await SluiceProgram.RunAsync("", ["publish", "--kafka", "t", "x", .. access]);
            Assert.Equal(1, code);
            Assert.Contains(expected, error);
            Assert.Contains(advice, error);
            Assert.DoesNotContain("--user", error);
            Assert.DoesNotContain("could not be looked up", error);
        }
    }

    private string[] Access(string? mechanism, bool tls)
    {
        string[] where = tls ? ["--bootstrap-server", broker.TlsAddress, "--ca-file", broker.AuthorityFile] : ["--bootstrap-server", broker.Address];
        if (mechanism == "OAUTHBEARER")
        {
            File.WriteAllText(_tokenFile, SecureBroker.Token("guest", seconds: 600) + "\n");
            return [.. where, "--sasl", mechanism, "--token-file", _tokenFile];
        }

        return mechanism is null ? [.. where, "--user", "guest"] : [.. where, "--sasl", mechanism, "--user", "guest", "--password", "guest"];
    }
}
