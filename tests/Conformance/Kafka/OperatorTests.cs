using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Conformance.Kafka;

/// <summary>Share groups as the management API shows them.</summary>
public sealed class OperatorTests(BrokerFixture broker) : ShareTest(broker)
{
    [Fact]
    public async Task A_share_group_is_shown_with_what_is_not_done()
    {
        Assert.SkipWhen(Broker.AdminPort == 0, "Sluice's management API");
        (string group, _, ShareMember member) = await AcquiredAsync(4, 4);
        Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(new ShareAck(0, 0, 1, ShareAck.Accept), new ShareAck(0, 4, 4, ShareAck.Accept)));
        JsonElement shown = await AdminAsync($"api/groups/%2F/{group}");
        Assert.Equal("share Stable simple 1 5", $"{shown.GetProperty("type")} {shown.GetProperty("state")} {shown.GetProperty("protocol")} {shown.GetProperty("members")} {shown.GetProperty("lag")}");
        JsonElement partition = Assert.Single(shown.GetProperty("partition_details").EnumerateArray());
        Assert.Equal((2, 8, 5, member.Id), (partition.GetProperty("offset").GetInt32(), partition.GetProperty("end_offset").GetInt32(), partition.GetProperty("lag").GetInt32(), partition.GetProperty("member").GetString()));
        Assert.Contains((await AdminAsync("api/groups")).EnumerateArray(), one => one.GetProperty("name").GetString() == group && one.GetProperty("lag").GetInt32() == 5);
    }

    private async Task<JsonElement> AdminAsync(string path)
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{Broker.AdminPort}/") };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("guest:guest")));
        return JsonDocument.Parse(await http.GetStringAsync(path)).RootElement.Clone();
    }
}
