using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Sluice.BlackBox;

namespace Sluice.Conformance.Amqp091;

/// <summary>What the operator reads in the log of AMQP clients that do not get in.</summary>
public sealed class LogTests : IAsyncLifetime
{
    private BrokerProcess _process = null!;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(BrokerFixture.IsRabbitMq, "the log is Sluice's own");
        _process = await BrokerProcess.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            Assert.Empty(_process.ErrorLines);
            await _process.DisposeAsync();
        }
    }

    [Fact]
    public async Task Clients_of_other_protocols_are_told_where_they_belong_each_once()
    {
        byte[][] strangers = [[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC], [0, 0, 0, 43, 0, 18, 0, 3], "GET / HTTP/1.1\r\n\r\n"u8.ToArray(), [.. "AMQP"u8, 0, 1, 0, 0], "hello, world"u8.ToArray()];
        for (int i = 0; i < 3; i++)
        {
            foreach (byte[] says in strangers)
            {
                await using RawClient client = await RawClient.ConnectAsync(new Uri(_process.Address));
                await client.SendAsync(says);
                Assert.Equal(RawClient.ProtocolHeader, await client.ReadToEndAsync());
            }
        }

        await _process.LoggedAsync("warn:", "is closed: it speaks TLS, and this port is the one without", "Amqp:Tls:Port");
        await _process.LoggedAsync("warn:", "is closed: it speaks Kafka's protocol, and this is the port for AMQP clients", "Kafka:Port");
        await _process.LoggedAsync("warn:", "is closed: it speaks HTTP, and this is the port for AMQP clients", "Admin:Port");
        await _process.LoggedAsync("warn:", "is closed: it speaks AMQP 1.0, and only AMQP 0-9-1 is served");
        await _process.LoggedAsync("warn:", "is closed: it speaks no protocol that is known, and this is the port for AMQP clients (it begins with the octets 68656C6C6F2C2077)");
        Assert.Equal(strangers.Length, Warnings().Length);
    }

    [Fact]
    public async Task A_refused_login_that_comes_again_and_again_is_one_warning_until_the_end()
    {
        for (int i = 0; i < 3; i++)
        {
            var factory = new ConnectionFactory { Uri = new Uri(_process.Address), Password = "wrong", ClientProvidedName = "billing" };
            await Assert.ThrowsAsync<BrokerUnreachableException>(() => factory.CreateConnectionAsync());
        }

        await _process.LoggedAsync("warn:", "Login of user 'guest' from 127.0.0.1:", ", client 'billing', refused: the password is wrong");
        Assert.Single(Warnings());
        await _process.StopAsync();
        Assert.Contains("Login of user 'guest' from 127.0.0.1 was refused 2 more times within a minute: the password is wrong", _process.Log, StringComparison.Ordinal);
    }

    private string[] Warnings() => [.. _process.Log.Split('\n').Where(static line => line.Contains("warn:", StringComparison.Ordinal))];
}
