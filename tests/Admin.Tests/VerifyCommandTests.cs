using System.CommandLine;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Commands;
using Sluice.Hosting;
using Sluice.Hosting.Configuration;
using Sluice.LoadGenerator.Client;
using Xunit;

namespace Sluice.Admin.Tests;

public sealed class VerifyCommandTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("sluice-verify-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task A_directory_in_use_is_left_alone_a_sound_one_passes_a_damaged_one_is_reported()
    {
        string data = Path.Combine(_directory.FullName, "data");
        SluiceSettings settings = new()
        {
            DataDirectory = data,
            Amqp = new AmqpSettings { Address = "127.0.0.1", Port = 0 },
            Admin = new AdminSettings { Address = "" },
        };
        await using (SluiceBroker broker = await SluiceBroker.StartAsync(settings, SluiceEnvironment.OfSystem(settings, NullLoggerFactory.Instance)))
        {
            using AmqpClient client = AmqpClient.Connect(new AmqpClientOptions { Port = broker.Listeners[0].EndPoint.Port });
            client.DeclareQueue("kept", durable: true);
            AmqpPublisher publisher = new(client);
            for (int i = 0; i < 1000; i++)
            {
                publisher.Publish("", "kept", new AmqpProperties { DeliveryMode = 2 }, new byte[1000], mandatory: true);
            }

            publisher.Flush(TimeSpan.FromSeconds(20));
            (int inUse, _, string refusal) = await Run("verify", data);
            Assert.Equal(1, inUse);
            Assert.Contains("A broker uses", refusal, StringComparison.Ordinal);
        }

        (int sound, string output, _) = await Run("verify", data);
        Assert.True(sound == 0, output);
        Assert.Contains("is sound", output, StringComparison.Ordinal);

        FileInfo biggest = new DirectoryInfo(data).EnumerateFiles("*", SearchOption.AllDirectories).Where(file => file.FullName.Contains("logs", StringComparison.Ordinal)).MaxBy(file => file.Length)!;
        byte[] bytes = await File.ReadAllBytesAsync(biggest.FullName, TestContext.Current.CancellationToken);
        bytes[100_000] ^= 0x40;
        await File.WriteAllBytesAsync(biggest.FullName, bytes, TestContext.Current.CancellationToken);
        (int damaged, output, _) = await Run("verify", data, "--json");
        Assert.Equal(1, damaged);
        JsonNode report = JsonNode.Parse(output)!;
        Assert.True(report["damaged"]!.GetValue<bool>());
        Assert.Contains(report["findings"]!.AsArray(), finding => finding!["severity"]!.ToString() == "error" && finding["file"]!.ToString().EndsWith(biggest.Name, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_directory_that_is_not_there_is_named()
    {
        (int code, _, string error) = await Run("verify", Path.Combine(_directory.FullName, "nothing"));
        Assert.Equal(1, code);
        Assert.Contains("nothing", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_directory_without_data_is_not_called_sound()
    {
        (int code, string output, string error) = await Run("verify", _directory.FullName);
        Assert.Equal(1, code);
        Assert.DoesNotContain("sound", output, StringComparison.Ordinal);
        Assert.Contains("is no data directory", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_an_argument_it_is_the_configured_directory()
    {
        (int code, _, string error) = await Run("verify");
        Assert.Equal(1, code);
        Assert.Contains(Path.GetFullPath(new SluiceSettings().DataDirectory), error, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output, string Error)> Run(params string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = await SluiceCommand.RunAsync(args, new InvocationConfiguration { Output = output, Error = error }, TestContext.Current.CancellationToken);
        return (code, output.ToString(), error.ToString());
    }
}
