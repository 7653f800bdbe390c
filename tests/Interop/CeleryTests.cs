namespace Sluice.Interop;

/// <summary>Celery (Python) over kombu and py-amqp, as Debian packages them.</summary>
public sealed class CeleryTests(BrokerFixture broker)
{
    [Fact]
    public async Task Celery_worker_does_1000_tasks_with_retries_and_eta_exactly_once_each()
    {
        string output = await ClientProgram.RunAsync(
            ClientProgram.Python, ["celery_run.py", $"{broker.Address.OriginalString}//"], TimeSpan.FromMinutes(3), folder: Path.Combine(AppContext.BaseDirectory, "python"));
        Assert.Contains("ok 1000 tasks", output);
    }
}
