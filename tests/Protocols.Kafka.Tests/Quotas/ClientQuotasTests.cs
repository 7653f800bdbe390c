using System.Net;
using Sluice.Base.Changes;
using Sluice.Protocols.Kafka.Quotas;
using Sluice.Protocols.Kafka.Tests.Groups;
using Sluice.TestKit.Disk;

namespace Sluice.Protocols.Kafka.Tests.Quotas;

/// <summary>Quotas of time (KIP-124) and of connections (KIP-612).</summary>
public sealed class ClientQuotasTests
{
    private static readonly QuotaEntity s_client = new(false, null, true, "c");
    private static readonly QuotaEntity s_anyAddress = new(false, null, false, null, true, null);

    [Fact]
    public void Who_takes_more_than_its_part_of_a_thread_waits_at_most_a_second()
    {
        using var fixture = new GroupFixture();
        var quotas = new ClientQuotas(fixture.Store.Metadata, fixture.Clock);
        Assert.False(quotas.MeasuresRequests);
        Set(fixture, quotas, s_client, ClientQuotas.Requests, 10);
        Assert.True(quotas.MeasuresRequests);

        // A tenth of ten seconds is one.
        Assert.Equal(0, quotas.CountTime("u", "c", TimeSpan.FromMilliseconds(900)));
        Assert.Equal(0, quotas.CountTime("u", "other", TimeSpan.FromMinutes(1)));
        Assert.InRange(quotas.CountTime("u", "c", TimeSpan.FromMilliseconds(150)), 1, 1000);
        Assert.Equal(1000, quotas.CountTime("u", "c", TimeSpan.FromSeconds(5)));
        fixture.Advance(11_000);
        Assert.Equal(0, quotas.CountTime("u", "c", TimeSpan.FromMilliseconds(900)));
        Set(fixture, quotas, s_client, ClientQuotas.Requests, null);
        Assert.False(quotas.MeasuresRequests);
        Assert.Equal(0, quotas.CountTime("u", "c", TimeSpan.FromMinutes(1)));
    }

    [Fact]
    public void Each_address_has_its_own_connections_and_those_refused_do_not_count()
    {
        using var fixture = new GroupFixture();
        var quotas = new ClientQuotas(fixture.Store.Metadata, fixture.Clock);
        IPAddress one = IPAddress.Parse("10.0.0.1"), two = IPAddress.Parse("10.0.0.2"), three = IPAddress.Parse("::1");
        Assert.Equal(0, quotas.Connect(one));
        Set(fixture, quotas, s_anyAddress, ClientQuotas.Connections, 1);
        Set(fixture, quotas, s_anyAddress with { Address = "::1" }, ClientQuotas.Connections, 100);
        Assert.Equal(10, Admitted(one, 30));
        Assert.Equal(10, Admitted(two, 30));
        Assert.Equal(30, Admitted(three, 30));
        Assert.InRange(quotas.Connect(one), 1, 1000);

        // After a second there is room for no more than before, after eleven for all again.
        fixture.Advance(11_000);
        Assert.Equal(10, Admitted(one, 30));

        fixture.Crash(CrashKind.Power);
        quotas = new ClientQuotas(fixture.Store.Metadata, fixture.Clock);
        Assert.Equal(["ip=", "ip=::1"], quotas.All.Keys.SelectMany(static entity => entity.Parts).Select(static part => $"{part.Type}={part.Name}").Order(StringComparer.Ordinal));
        Assert.Equal(10, Admitted(one, 30));

        int Admitted(IPAddress address, int attempts) => Enumerable.Range(0, attempts).Count(_ => quotas.Connect(address) == 0);
    }

    [Fact]
    public void A_clock_that_is_put_back_begins_anew()
    {
        var meter = new QuotaMeter();
        Assert.InRange(meter.Add(1_000_000, 1000, nowMs: 10_000_000), 1, 11_000);
        Assert.Equal(0, meter.Add(1000, 1000, nowMs: 5_000_000));
        for (int second = 1; second < 100; second++)
        {
            Assert.Equal(0, meter.Add(900, 1000, nowMs: 5_000_000 + (second * 1000)));
        }
    }

    [Fact]
    public void Ever_new_client_ids_leave_a_limited_number_of_meters_and_not_the_one_in_use()
    {
        using var fixture = new GroupFixture();
        var quotas = new ClientQuotas(fixture.Store.Metadata, fixture.Clock);
        Set(fixture, quotas, new QuotaEntity(true, "u", true, null), ClientQuotas.Produce, 1000);
        Set(fixture, quotas, s_client, ClientQuotas.Produce, 1000);
        Assert.Equal(0, quotas.Count(ClientQuotas.Produce, "other", "c", 9000));
        for (int i = 0; i < 3 * ClientQuotas.MetersMax; i++)
        {
            quotas.Count(ClientQuotas.Produce, "u", $"{i}", 1);
            Assert.InRange(quotas.MeterCount, 1, ClientQuotas.MetersMax);
            if (i % 1000 == 0)
            {
                // A millisecond later, so that it is not among those used longest ago.
                fixture.Advance(1);
                Assert.Equal(0, quotas.Count(ClientQuotas.Produce, "other", "c", 0));
            }
        }

        Assert.True(quotas.Count(ClientQuotas.Produce, "other", "c", 9000) > 0, "What it had used is forgotten.");
    }

    [Fact]
    public void What_is_so_already_is_told_when_it_is_kept()
    {
        using var fixture = new GroupFixture();
        var quotas = new ClientQuotas(fixture.Store.Metadata, fixture.Clock);
        QuotaChange[] changes = [new(s_client, new Dictionary<string, double?> { [ClientQuotas.Produce] = 5 })];
        Task<IReadOnlyList<PutOutcome>> first = quotas.AlterAsync(changes).AsTask();
        Task<IReadOnlyList<PutOutcome>> second = quotas.AlterAsync(changes).AsTask();
        Assert.False(second.IsCompleted, "The second is answered before anything is on disk.");
        Assert.Equal([PutOutcome.Created], fixture.Run(first));
        Assert.Equal([PutOutcome.Unchanged], fixture.Run(second));
        fixture.Disk.Fault = static _ => new IOException("No space left on device");
        changes = [new(s_client, new Dictionary<string, double?> { [ClientQuotas.Produce] = 6 })];
        Fails(() => fixture.Run(quotas.AlterAsync(changes).AsTask()));
        Fails(() => fixture.Run(quotas.AlterAsync(changes).AsTask()));
        fixture.Disk.Fault = null;
    }

    [Fact]
    public void Several_changes_are_one_step_in_their_order()
    {
        using var fixture = new GroupFixture();
        var quotas = new ClientQuotas(fixture.Store.Metadata, fixture.Clock);
        var user = new QuotaEntity(true, "u", false, null);
        long revision = fixture.Store.Metadata.Revision;
        IReadOnlyList<PutOutcome> outcomes = fixture.Run(quotas.AlterAsync(
        [
            Change(s_client, ClientQuotas.Produce, 5), Change(user, ClientQuotas.Fetch, 7), Change(s_client, ClientQuotas.Produce, 5), Change(s_client, ClientQuotas.Fetch, 6), Change(user, ClientQuotas.Fetch, null),
        ]).AsTask());
        Assert.Equal([PutOutcome.Created, PutOutcome.Created, PutOutcome.Unchanged, PutOutcome.Changed, PutOutcome.Changed], outcomes);
        Assert.Equal(revision + 1, fixture.Store.Metadata.Revision);
        Assert.Equal(new Dictionary<string, double> { [ClientQuotas.Produce] = 5, [ClientQuotas.Fetch] = 6 }, Assert.Single(quotas.All).Value);
    }

    /// <summary>Whoever waits for it may hear it wrapped.</summary>
    private static void Fails(Action action)
    {
        Exception error = Assert.ThrowsAny<Exception>(action);
        Assert.IsAssignableFrom<IOException>(error is AggregateException many ? many.InnerException : error);
    }

    private static QuotaChange Change(QuotaEntity entity, string key, double? value) => new(entity, new Dictionary<string, double?> { [key] = value });

    private static void Set(GroupFixture fixture, ClientQuotas quotas, QuotaEntity entity, string key, double? value)
    {
        fixture.Run(Done());

        async Task<bool> Done()
        {
            await quotas.AlterAsync([new QuotaChange(entity, new Dictionary<string, double?> { [key] = value })]);
            return true;
        }
    }
}
