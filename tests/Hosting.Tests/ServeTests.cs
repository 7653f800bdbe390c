using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Sluice.Hosting.Tests;

public sealed class ServeTests : IDisposable
{
    private static readonly (string, string)[] AnyPort = [("Sluice__Amqp__Port", "0"), ("Sluice__Amqp__Address", "127.0.0.1"), ("Sluice__Kafka__Port", "0"), ("Sluice__Kafka__Address", "127.0.0.1"), ("Sluice__Admin__Port", "0"), ("Sluice__Admin__Address", "127.0.0.1")];

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("sluice-serve-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    public async Task Serves_until_it_is_asked_to_stop_and_ends_with_0(string signal)
    {
        await using var serve = new ServeProcess(_directory.FullName, [], AnyPort);
        await serve.UpAsync();
        Assert.Equal(0, await serve.SignalAsync(signal));
        Assert.Contains($"data in {Path.Combine(_directory.FullName, "data")}", serve.Output, StringComparison.Ordinal);
        Assert.Matches(@"amqp\s+127\.0\.0\.1:\d+", serve.Output);
        Assert.Equal("", serve.Errors.Trim());
    }

    [Fact]
    public async Task A_start_after_a_kill_says_so_and_one_after_a_stop_does_not()
    {
        string[] outputs = new string[3];
        for (int i = 0; i < outputs.Length; i++)
        {
            await using var serve = new ServeProcess(_directory.FullName, [], AnyPort);
            await serve.UpAsync();
            outputs[i] = serve.Output;
            await serve.SignalAsync(i == 0 ? "KILL" : "TERM");
        }

        Assert.DoesNotContain("The last stop left", outputs[0], StringComparison.Ordinal);
        Assert.Matches(@"The last stop left [1-9]\d* journal entries to replay: the broker was killed, it or the machine failed, or its last checkpoint could not be written\. \d+ logs were recovered in \d+ ms", outputs[1]);
        Assert.Matches(@"logs opened in \d+ ms; nothing was to be recovered", outputs[2]);
    }

    [Fact]
    public async Task What_strangers_say_stays_on_one_line_and_does_nothing_to_the_terminal()
    {
        await using var serve = new ServeProcess(_directory.FullName, [], AnyPort);
        await serve.UpAsync();
        string port = Regex.Match(serve.Output, @"http\s+127\.0\.0\.1:(\d+)").Groups[1].Value;
        using HttpClient http = new();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String("eve\u001b[2J\r\nroot\u009b:x"u8));
        using HttpResponseMessage answer = await http.GetAsync(new Uri($"http://127.0.0.1:{port}/api/whoami"), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal(0, await serve.SignalAsync("TERM"));
        Assert.Contains("Login of user 'eve\uFFFD[2J  root\uFFFD' from 127.0.0.1:", serve.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_first_user_is_not_told_of_as_if_somebody_had_set_who_clients_without_a_login_are()
    {
        await using var serve = new ServeProcess(_directory.FullName, [], [.. AnyPort, ("Sluice__Security__DefaultUser", "bob")]);
        await serve.UpAsync();
        Assert.Contains("Kafka clients that do not log in are refused: they would be user 'guest', as Kafka:AnonymousUser says by default, and there is no such user.", serve.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_data_directory_in_use_is_refused_in_one_line()
    {
        await using var first = new ServeProcess(_directory.FullName, [], AnyPort);
        await first.UpAsync();
        await using var second = new ServeProcess(_directory.FullName, [], AnyPort);
        await AssertRefusedAsync(second, Path.Combine(_directory.FullName, "data"));
    }

    [Fact]
    public async Task A_data_directory_of_a_newer_format_is_refused_in_one_line()
    {
        await using (var first = new ServeProcess(_directory.FullName, [], AnyPort))
        {
            await first.UpAsync();
            Assert.Equal(0, await first.SignalAsync("TERM"));
        }

        // Both the snapshot and the journal carry their format's version in the bytes after an eight byte magic.
        foreach (FileInfo file in _directory.EnumerateFiles("snapshot-*", SearchOption.AllDirectories))
        {
            using FileStream stream = file.Open(FileMode.Open);
            stream.Position = 8;
            stream.Write([9, 9, 9, 9]);
        }

        await using var second = new ServeProcess(_directory.FullName, [], AnyPort);
        await AssertRefusedAsync(second, "snapshot");
    }

    [Fact]
    public async Task A_setting_that_does_not_exist_is_refused_with_the_nearest()
    {
        await using var serve = new ServeProcess(_directory.FullName, [], [.. AnyPort, ("Sluice__Amqp__Prot", "1")]);
        await AssertRefusedAsync(serve, "'Amqp:Port'");
        Assert.False(Directory.Exists(Path.Combine(_directory.FullName, "data")));
    }

    [Theory]
    [InlineData("Amqp:Port")]
    [InlineData("Admin:Port")]
    public async Task A_port_in_use_is_refused_in_one_line_that_names_its_setting(string setting)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        await using var serve = new ServeProcess(_directory.FullName, ["--set", $"{setting}={port}", "--data", "elsewhere"], AnyPort);
        await AssertRefusedAsync(serve, $"127.0.0.1:{port}: another program listens there: stop it, or choose another port with the setting {setting}.");
        Assert.True(Directory.Exists(Path.Combine(_directory.FullName, "elsewhere")));
    }

    [Fact]
    public async Task A_data_directory_that_cannot_be_made_is_refused_in_one_line()
    {
        await File.WriteAllTextAsync(Path.Combine(_directory.FullName, "file"), "", TestContext.Current.CancellationToken);
        string data = Path.Combine(_directory.FullName, "file", "data");
        await using var serve = new ServeProcess(_directory.FullName, ["--data", data], AnyPort);
        await AssertRefusedAsync(serve, $"The directory {data} cannot be created");
        Assert.Contains("Choose another data directory with the setting DataDirectory.", serve.Errors, StringComparison.Ordinal);
    }

    private static async Task AssertRefusedAsync(ServeProcess serve, string named)
    {
        Assert.Equal(1, await serve.ExitAsync());
        Assert.StartsWith("sluice: ", serve.Errors, StringComparison.Ordinal);
        Assert.Contains(named, serve.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", serve.Errors + serve.Output, StringComparison.Ordinal);
    }
}
