import { addHead, classification, evaluate, fineTune } from 'transferkit';
import { examples } from 'transferkit/data';
import { untrainedPhotoBackbone } from './examples/support/backbones.js';
import { drawnExamples, newShapes, pretrainingShapes } from './examples/support/drawn-photos.js';
const tr=examples(drawnExamples(newShapes,30,900001)), te=examples(drawnExamples(newShapes,40,500001));
for(const [N,E,LR,B,seed] of [[100,4,0.006,16,42],[100,4,0.006,16,7],[120,4,0.004,16,42],[120,4,0.008,16,42],[80,6,0.006,16,42]] as const){
 const t=Date.now(); const data=examples(drawnExamples(pretrainingShapes,N,1));
 const base=await untrainedPhotoBackbone(); const m=addHead(base,classification(data.labels));
 const {history}=await fineTune(m,data,{unfreeze:'all',normalization:'batch',headEpochs:0,epochs:E,batchSize:B,learningRate:LR,validation:0,progress:false,seed});
 const s=(Date.now()-t)/1000; const mm=addHead(base,classification(tr.labels)); await fineTune(mm,tr,{progress:false,unfreeze:'none'});
 console.log(N,E,LR,B,seed,'train',history.epochs.map(e=>e.accuracy!.toFixed(2)).join(' '),'new',(await evaluate(mm,te)).accuracy.toFixed(3),s.toFixed(1)+'s');
}
