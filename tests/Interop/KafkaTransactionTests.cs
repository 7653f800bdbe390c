using System.Diagnostics;
using System.Text;
using Sluice.BlackBox;

namespace Sluice.Interop;

/// <summary>Transactions with confluent-kafka (librdkafka), as Debian packages it.</summary>
public sealed class KafkaTransactionTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);
    private static readonly Dictionary<string, string> s_settings = new() { ["Sluice__Kafka__GroupInitialRebalanceDelayMs"] = "0" };

    /// <summary>A consumer's messages are copied in transactions with its offsets while the broker is killed and started again and again.</summary>
    [Fact]
    public Task Exactly_once_over_kills_of_the_broker() => Task.WhenAll(CrashSettings.Shares(CrashSettings.Seed).Select(static share => KillAsync(share.Rounds, share.Seed)));

    private static async Task KillAsync(int kills, int seed)
    {
        var random = new Random(seed);
        await using BrokerProcess broker = await BrokerProcess.StartAsync(s_settings);
        using var copier = new Copier($"127.0.0.1:{broker.KafkaPort}");
        await copier.CommitAsync(1);
        for (int kill = 0; kill < kills; kill++)
        {
            // Most kills come amid transactions, the others when the clients have hardly found the broker again.
            if (random.Next(4) > 0)
            {
                await copier.CommitAsync(copier.Committed + 1);
            }

            await Task.Delay(random.Next(300));
            await broker.KillAsync();
            await broker.RestartAsync();
        }

        string output = await copier.EndAsync();
        Assert.True(output.Contains("exactly once", StringComparison.Ordinal), $"seed {seed}: {output}");
        Assert.True(broker.ErrorLines.Count == 0, $"seed {seed}: {string.Join('\n', broker.ErrorLines.Take(20))}");
        TestContext.Current.SendDiagnosticMessage($"{kills} kills; {output.Split('\n').First(static line => line.Contains("rolled back", StringComparison.Ordinal))}");
    }

    /// <summary>The program that fills a topic and copies it, until it is told to come to an end.</summary>
    private sealed class Copier : IDisposable
    {
        private readonly Process _process;
        private readonly StringBuilder _output = new();
        private readonly SemaphoreSlim _commits = new(0);
        private int _committed;

        public Copier(string server)
        {
            var start = new ProcessStartInfo(ClientProgram.Python, ["python/kafka_transactions.py", server])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                WorkingDirectory = ClientProgram.ProjectFolder,
            };
            _process = Process.Start(start)!;
            _process.OutputDataReceived += Capture;
            _process.ErrorDataReceived += Capture;
            _process.Exited += (_, _) => _commits.Release();
            _process.EnableRaisingEvents = true;
            _process.BeginOutputReadLine();
            _process.BeginErrorReadLine();
        }

        /// <summary>How many transactions it has committed.</summary>
        public int Committed => Volatile.Read(ref _committed);

        /// <summary>Waits until it has committed so many transactions.</summary>
        public async Task CommitAsync(int count)
        {
            using var patience = new CancellationTokenSource(s_patience);
            while (Committed < count)
            {
                Assert.False(_process.HasExited, Output);
                try
                {
                    await _commits.WaitAsync(patience.Token);
                }
                catch (OperationCanceledException)
                {
                    Assert.Fail($"no transaction was committed in {s_patience}:\n{Output}");
                }
            }
        }

        /// <summary>Lets it copy the rest and look at the result; returns what it printed.</summary>
        public async Task<string> EndAsync()
        {
            _process.StandardInput.Close();
            using var patience = new CancellationTokenSource(s_patience);
            try
            {
                await _process.WaitForExitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"the copier did not come to its end:\n{Output}");
            }

            return Output;
        }

        public void Dispose()
        {
            if (!_process.HasExited)
            {
                _process.Kill();
            }

            _process.Dispose();
            _commits.Dispose();
        }

        private string Output
        {
            get
            {
                lock (_output)
                {
                    return _output.ToString();
                }
            }
        }

        private void Capture(object sender, DataReceivedEventArgs line)
        {
            if (line.Data == "committed")
            {
                Interlocked.Increment(ref _committed);
                _commits.Release();
            }
            else if (line.Data is not null)
            {
                lock (_output)
                {
                    _output.Append(line.Data).Append('\n');
                }
            }
        }
    }
}
