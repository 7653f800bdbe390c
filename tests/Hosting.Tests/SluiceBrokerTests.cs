using System.Net;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using RabbitMQ.Client;
using Sluice.Base.Disk;
using Sluice.Hosting.Configuration;
using Sluice.Security;
using Sluice.Transport;

namespace Sluice.Hosting.Tests;

public sealed class SluiceBrokerTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("sluice-hosting-");

    public void Dispose() => _directory.Delete(recursive: true);

    private SluiceSettings Settings => new()
    {
        DataDirectory = Path.Combine(_directory.FullName, "data"),
        StopTimeoutSeconds = 5,
        Amqp = new AmqpSettings { Address = "127.0.0.1", Port = 0 },
        Admin = new AdminSettings { Address = "127.0.0.1", Port = 0 },
        Kafka = new KafkaSettings { Address = "127.0.0.1", Port = 0 },
    };

    private static Task<SluiceBroker> StartAsync(SluiceSettings settings) =>
        SluiceBroker.StartAsync(settings, SluiceEnvironment.OfSystem(settings, NullLoggerFactory.Instance));

    private static Task<IConnection> ConnectAsync(SluiceBroker broker, string user = "guest", string password = "guest") => new ConnectionFactory
    {
        HostName = "127.0.0.1",
        Port = broker.Listeners[0].EndPoint.Port,
        UserName = user,
        Password = password,
        AutomaticRecoveryEnabled = false,
    }.CreateConnectionAsync();

    private static async Task<string?> GetAsync(IChannel channel, string queue)
    {
        BasicGetResult? result = await channel.BasicGetAsync(queue, autoAck: true);
        return result is null ? null : Encoding.UTF8.GetString(result.Body.Span);
    }

    [Fact]
    public async Task The_largest_message_that_can_be_set_fits_into_a_batch_also_after_the_limit_was_lowered()
    {
        var setting = (SettingAttribute)Attribute.GetCustomAttribute(typeof(LimitSettings).GetProperty(nameof(LimitSettings.MessageBytesMax))!, typeof(SettingAttribute))!;
        await using SluiceBroker broker = await StartAsync(Settings);
        Assert.True(broker.Broker.Store.BatchBytesMax >= setting.Max + (32 << 20));
    }

    [Fact]
    public async Task A_message_users_and_permissions_survive_a_stop_and_a_start()
    {
        await using (SluiceBroker broker = await StartAsync(Settings))
        {
            await broker.AccessControl.PutUserAsync(new User("ada", PasswordHash.Create("lovelace"u8, 1000), [], default));
            await broker.AccessControl.PutPermissionAsync(new Permission("ada", "/", "^$", "^$", "^kept$"));
            await using IConnection connection = await ConnectAsync(broker);
            await using IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
            await channel.QueueDeclareAsync("kept", durable: true, exclusive: false, autoDelete: false);
            await channel.BasicPublishAsync("", "kept", mandatory: true, new BasicProperties { Persistent = true }, "hello"u8.ToArray());
            await connection.CloseAsync();
        }

        await using (SluiceBroker broker = await StartAsync(Settings))
        {
            await using IConnection connection = await ConnectAsync(broker, "ada", "lovelace");
            await using IChannel channel = await connection.CreateChannelAsync();
            Assert.Equal("hello", await GetAsync(channel, "kept"));
        }
    }

    [Fact]
    public async Task A_stop_tells_connected_clients_why_they_are_closed()
    {
        SluiceBroker broker = await StartAsync(Settings);
        IConnection connection = await ConnectAsync(broker);
        var closed = new TaskCompletionSource<ushort>();
        connection.ConnectionShutdownAsync += (_, reason) =>
        {
            closed.TrySetResult(reason.ReplyCode);
            return Task.CompletedTask;
        };
        await broker.StopAsync();
        Assert.Equal(Constants.ConnectionForced, await closed.Task.WaitAsync(TimeSpan.FromSeconds(30)));
        await connection.DisposeAsync();
        await broker.StopAsync();
    }

    [Fact]
    public async Task A_second_broker_on_the_same_directory_is_refused_and_the_first_lives_on()
    {
        await using SluiceBroker first = await StartAsync(Settings);
        DiskLockedException error = await Assert.ThrowsAsync<DiskLockedException>(() => StartAsync(Settings));
        Assert.Contains(Settings.DataDirectory, error.Message, StringComparison.Ordinal);
        await using IConnection connection = await ConnectAsync(first);
    }

    [Fact]
    public async Task A_port_in_use_leaves_the_directory_free_again()
    {
        await using SluiceBroker first = await StartAsync(Settings);
        SluiceSettings second = Settings with
        {
            DataDirectory = Path.Combine(_directory.FullName, "other"),
            Amqp = Settings.Amqp with { Port = first.Listeners[0].EndPoint.Port },
        };
        await Assert.ThrowsAsync<ListenException>(() => StartAsync(second));
        await using SluiceBroker third = await StartAsync(second with { Amqp = Settings.Amqp });
    }

    [Fact]
    public async Task No_default_user_is_made_when_none_is_wanted()
    {
        await using SluiceBroker broker = await StartAsync(Settings with { Security = new SecuritySettings { DefaultUser = "" } });
        Assert.True(broker.AccessControl.IsEmpty);
        await Assert.ThrowsAnyAsync<Exception>(() => ConnectAsync(broker));
    }

    [Fact]
    public async Task What_the_Kafka_listeners_name_must_be_there()
    {
        SettingsException error = await Assert.ThrowsAsync<SettingsException>(() => StartAsync(Settings with { Kafka = Settings.Kafka with { AnonymousUser = "everybody" } }));
        Assert.Contains("Kafka:AnonymousUser is 'everybody', and there is no such user. Make it with 'sluice user add everybody'", error.Message, StringComparison.Ordinal);
        error = await Assert.ThrowsAsync<SettingsException>(() => StartAsync(Settings with { Kafka = Settings.Kafka with { VirtualHost = "logs" } }));
        Assert.Contains("Kafka:VirtualHost is 'logs', and there is no such virtual host: there are '/'.", error.Message, StringComparison.Ordinal);
        await using (SluiceBroker broker = await StartAsync(Settings))
        {
            await broker.AccessControl.PutUserAsync(new User("everybody", null, [], default));
            await broker.Broker.CreateVirtualHostAsync("logs");
        }

        await using (await StartAsync(Settings with { Kafka = Settings.Kafka with { AnonymousUser = "everybody", VirtualHost = "logs" } }))
        {
        }

        // Where nobody listens for Kafka clients nothing is needed.
        await using SluiceBroker without = await StartAsync(Settings with { Kafka = new KafkaSettings { Address = "", AnonymousUser = "nobody" } });
    }

    [Fact]
    public async Task A_broker_whose_default_user_was_deleted_starts()
    {
        await using (SluiceBroker broker = await StartAsync(Settings))
        {
            await broker.AccessControl.PutUserAsync(new User("root", PasswordHash.Create("secret"u8, 1000), [UserTags.Administrator], default));
            await broker.AccessControl.DeleteUserAsync("guest");
        }

        await using SluiceBroker again = await StartAsync(Settings);
        Assert.Null(again.AccessControl.FindUser("guest"));
    }

    [Fact]
    public async Task Only_the_listeners_asked_for_are_opened()
    {
        await using SluiceBroker broker = await StartAsync(Settings with { Amqp = new AmqpSettings { Address = "" }, Admin = new AdminSettings { Address = "" }, Kafka = new KafkaSettings { Address = "" } });
        Assert.Empty(broker.Listeners);
    }

    [Fact]
    public async Task Low_disk_blocks_publishers_by_the_protocols_own_means()
    {
        await using SluiceBroker broker = await StartAsync(Settings with { Disk = new DiskSettings { FreeBytesMin = long.MaxValue } });
        Assert.Equal("low on disk", broker.Broker.BlockedReason);
    }
}
